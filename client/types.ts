// Made from openapi.json by client/generate.py. Do not edit.

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

export interface ClaimModel {
  slug: string;
  section: string;
  url: string;
  snippet: string;
}

export interface ConfigResponse {
  title: string;
  language: string;
  chunks: number;
  site_url: string;
  engines: Record<string, string>;
  starters: string[];
  privacy: string;
}

export interface DeleteResponse {
  session_id: string;
  deleted: number;
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

export interface PageModel {
  url: string;
  title: string;
  heading: string;
}

export interface RelatedModel {
  title: string;
  section: string;
  slug: string;
  url: string;
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

export interface Problem {
  type: string;
  title: string;
  detail: string;
  code: string;
  request_id: string;
  status: number;
}
