//! Short ways to write messages.

use crate::types::{AssistantMessage, Message, MessageContent, MessageRole, ToolCallMessage, ToolCallMessageFunction};

impl Message {
    /// What the user says.
    pub fn user(text: impl Into<String>) -> Self {
        Self::of(MessageRole::User, text.into())
    }

    /// What the model is told before all else.
    pub fn system(text: impl Into<String>) -> Self {
        Self::of(MessageRole::System, text.into())
    }

    fn of(role: MessageRole, text: String) -> Self {
        Self { role, content: Some(MessageContent::Text(text)), ..Default::default() }
    }
}

/// The answer, for the messages of the next request.
impl From<AssistantMessage> for Message {
    fn from(answer: AssistantMessage) -> Self {
        let calls = answer.tool_calls.map(|calls| {
            let as_sent = |call: crate::types::ToolCall| ToolCallMessage {
                id: Some(call.id),
                function: ToolCallMessageFunction {
                    name: call.function.name,
                    arguments: Some(call.function.arguments.into()),
                },
                ..Default::default()
            };
            calls.into_iter().map(as_sent).collect()
        });
        Self {
            reasoning_content: answer.reasoning_content,
            tool_calls: calls,
            ..Self::of(MessageRole::Assistant, answer.content)
        }
    }
}
