// A minimal client without the widget: ask, and show the answer as it streams.
import type { ChatRequest, ChatResponse, Problem, SourceModel } from "./types";

/** Ask the book. `onText` receives the answer so far; returns the final response. */
export async function ask(
  service: string,
  question: ChatRequest,
  onText: (text: string, sources: SourceModel[]) => void,
): Promise<ChatResponse> {
  const response = await fetch(`${service}/chat`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify(question),
  });
  if (!response.ok) throw new Error(((await response.json()) as Problem).detail);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "", text = "", sources: SourceModel[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("The answer was cut off. Please try again.");
    buffer += value;
    const events = buffer.split("\n\n");
    buffer = events.pop()!;
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "null");
      if (name === "sources") sources = data.sources;
      else if (name === "token") onText((text += data.text), sources);
      else if (name === "done") return data;
      else if (name === "error") throw new Error(data.detail);
    }
  }
}
