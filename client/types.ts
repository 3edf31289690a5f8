// Made from openapi.json by client/generate.py. Do not edit.

export interface AnswerMessage {
  role: string;
  content: string;
}

export interface CardResponse {
  $schema: string;
  name: string;
  title: string;
  description: string;
  version: string;
  remotes: RemoteModel[];
}

export interface CatalogResponse {
  specVersion: string;
  entries: EntryModel[];
}

export interface ChatRequest {
  message: string;
  session_id?: string | null;
  context?: string | null;
  page?: PageModel | null;
}

export interface ChatResponse {
  session_id: string;
  message: string;
  sources: SourceModel[];
  metadata: Record<string, unknown>;
  related: RelatedModel[];
}

export interface ChoiceModel {
  index: number;
  message: AnswerMessage;
  finish_reason: string;
}

export interface ClaimModel {
  slug: string;
  section: string;
  url: string;
  snippet: string;
}

export interface CompletionRequest {
  messages: MessageModel[];
  model?: string;
  stream?: boolean | null;
  stream_options?: StreamOptions | null;
  user?: string | null;
}

export interface CompletionResponse {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: ChoiceModel[];
  usage: UsageModel;
  citations: string[];
  session_id: string;
}

export interface ConfigResponse {
  title: string;
  language: string;
  chunks: number;
  site_url: string;
  engines: Record<string, string>;
  starters: string[];
  privacy: string;
  mcp: boolean;
}

export interface DeleteResponse {
  session_id: string;
  deleted: number;
}

export interface DiscoveryResponse {
  servers: ServerModel[];
}

export interface EntryModel {
  identifier: string;
  type: string;
  url: string;
}

export interface FeedbackRequest {
  rating: -1 | 0 | 1;
  comment?: string;
}

export interface FeedbackResponse {
  session_id: string;
  n: number;
  rating: number;
}

export interface HealthResponse {
  status: "ok" | "degraded";
  qdrant: "configured" | "ok" | "embedded" | "down";
  postgres: "configured" | "ok" | "embedded" | "down";
  openai: "configured" | "ok" | "embedded" | "down";
  cohere: "configured" | "ok" | "embedded" | "down";
  engines: Record<string, string>;
  problems: Record<string, string>;
  warnings: string[];
}

export interface HistoryResponse {
  session_id: string;
  turns: TurnModel[];
  total: number;
  next: number | null;
}

export interface InsightsResponse {
  table: string;
  days: number;
  rows: Record<string, unknown>[];
  next: number | null;
}

export interface MessageModel {
  role: string;
  content: string | PartModel[] | null;
}

export interface ModelEntry {
  id: string;
  object: string;
  created: number;
  owned_by: string;
}

export interface ModelsResponse {
  object: string;
  data: ModelEntry[];
}

export interface PageModel {
  url: string;
  title: string;
  heading: string;
}

export interface PartModel {
  type: string;
  text: string;
}

export interface RelatedModel {
  title: string;
  section: string;
  slug: string;
  url: string;
}

export interface RemoteModel {
  type: string;
  url: string;
  supportedProtocolVersions: string[];
  variables: Record<string, Record<string, unknown>>;
}

export interface ResultModel {
  chunk_id: string;
  title: string;
  section: string;
  slug: string;
  url: string;
  snippet: string;
  score: number;
  source_path: string;
  highlight: string;
  claims: ClaimModel[];
  text: string;
}

export interface SearchRequest {
  query: string;
  top_k?: number;
}

export interface SearchResponse {
  query: string;
  results: ResultModel[];
}

export interface ServerModel {
  name: string;
  title: string;
  url: string;
  transport: string;
  authentication: string;
}

export interface SourceModel {
  chunk_id: string;
  title: string;
  section: string;
  slug: string;
  url: string;
  snippet: string;
  score: number;
  source_path: string;
  highlight: string;
  claims: ClaimModel[];
}

export interface StreamOptions {
  include_usage: boolean | null;
}

export interface TurnModel {
  n: number;
  question: string;
  answer: string;
  sources: SourceModel[];
  related: RelatedModel[];
  metadata: Record<string, unknown>;
  created_at: string | null;
  rating: number | null;
}

export interface UsageModel {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface Problem {
  type: string;
  title: string;
  detail: string;
  code: string;
  request_id: string;
  status: number;
}
