// The entry for tools: the loop that runs them, and those of MCP servers.

export {
  CALLS_AT_ONCE,
  DEFAULT_STEPS,
  type RunnableTool,
  runTools,
  type RunToolsOptions,
  type RunToolsResult,
  type ToolEvent,
} from "./tools/loop.js";
export { type McpClient, mcpTools } from "./tools/mcp.js";
