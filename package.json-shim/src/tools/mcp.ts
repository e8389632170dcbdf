// The tools of an MCP server as tools of ours. The client is the one of @modelcontextprotocol/sdk, or any like it.

import type { RunnableTool } from "./loop.js";

/** Tools of one server. `chat` takes no more. */
export const MOST_TOOLS = 128;

/** Pages of one server's list of tools: one that sends a next page for ever, without tools, is left. */
export const MOST_PAGES = MOST_TOOLS;

/** The longest name of a tool that `chat` takes. */
const MOST_CHARACTERS = 64;

/** What is used of the SDK's `Client`. */
export interface McpClient {
  listTools(params?: { cursor?: string }, options?: { signal?: AbortSignal }): Promise<McpTools>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    schema?: undefined,
    options?: { signal?: AbortSignal },
  ): Promise<unknown>;
}

interface McpTools {
  tools: { name: string; description?: string | undefined; inputSchema: object }[];
  nextCursor?: string | undefined;
}

/** A block of what a tool returned; those that are not text have no words for the model. */
interface Block {
  type: string;
  text?: string;
  mimeType?: string;
  uri?: string;
  resource?: { uri?: string; text?: string };
}

/**
 * The tools of an MCP client that is connected. Names get `prefix`, and `_` for characters that `chat` does not take.
 * Call it again when the server says that its tools have changed.
 */
export async function mcpTools(
  client: McpClient,
  options: { prefix?: string; signal?: AbortSignal } = {},
): Promise<RunnableTool[]> {
  const { prefix = "", signal } = options;
  const found = new Map<string, RunnableTool>();
  let cursor: string | undefined;
  let pages = 0;
  do {
    if (pages++ === MOST_PAGES) throw new Error(`The MCP server lists its tools on more than ${MOST_PAGES} pages.`);
    const page = await client.listTools(cursor === undefined ? {} : { cursor }, signal ? { signal } : {});
    for (const tool of page.tools) {
      const name = `${prefix}${tool.name}`.replace(/[^a-zA-Z0-9_.-]/g, "_").slice(0, MOST_CHARACTERS);
      if (found.has(name)) throw new Error(`Two tools of the MCP server are named ${name}. Use one of them only.`);
      if (found.size === MOST_TOOLS) throw new Error(`The MCP server has more than ${MOST_TOOLS} tools.`);
      found.set(name, runnable(client, name, tool));
    }
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return [...found.values()];
}

function runnable(client: McpClient, name: string, tool: McpTools["tools"][number]): RunnableTool {
  return {
    name,
    ...(tool.description !== undefined && { description: tool.description }),
    parameters: tool.inputSchema as Record<string, unknown>,
    async run(args: Record<string, unknown>, { signal }) {
      const result = await client.callTool({ name: tool.name, arguments: args }, undefined, { signal });
      const { content, structuredContent, isError } = result as { content?: Block[]; structuredContent?: unknown; isError?: boolean };
      const text = (content ?? []).map(words).join("\n");
      if (isError) throw new Error(text || "The tool failed.");
      return text || (structuredContent ?? "");
    },
  };
}

function words({ type, text, mimeType, uri, resource }: Block): string {
  return text ?? resource?.text ?? `[${[type, mimeType, uri ?? resource?.uri].filter(Boolean).join(" ")}]`;
}
