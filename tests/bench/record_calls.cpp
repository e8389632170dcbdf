// What llama.cpp reads in a model's text. A line of input has template, text, messages, tools and partial; a line of
// output has content, reasoning and calls, or error.
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "chat.h"
#include "json.h"

static common_json read(const common_json & line, std::map<std::string, common_chat_templates_ptr> & known) {
    const std::string file = line.at("template").get<std::string>();
    if (!known.count(file)) {
        std::stringstream source;
        source << std::ifstream(file).rdbuf();
        known[file] = common_chat_templates_init(nullptr, source.str(), "<s>", "</s>");
    }
    common_chat_templates_inputs inputs;
    inputs.messages = common_chat_msgs_parse_oaicompat(line.at("messages"));
    inputs.tools = common_chat_tools_parse_oaicompat(line.at("tools"));
    inputs.parallel_tool_calls = true;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    const auto chat = common_chat_templates_apply(known[file].get(), inputs);

    common_chat_parser_params params(chat);
    params.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    if (!chat.parser.empty()) {
        params.parser.load(chat.parser);
    }
    const auto said = common_chat_parse(line.at("text").get<std::string>(), line.at("partial").get<bool>(), params);
    common_json result = common_json::object();
    result["content"] = said.content;
    result["reasoning"] = said.reasoning_content;
    common_json calls = common_json::array();
    for (const auto & call : said.tool_calls) {
        common_json each = common_json::object();
        each["name"] = call.name;
        each["arguments"] = call.arguments;
        calls.push_back(each);
    }
    result["calls"] = calls;
    return result;
}

int main() {
    std::map<std::string, common_chat_templates_ptr> known;
    for (std::string line; std::getline(std::cin, line);) {
        common_json result = common_json::object();
        try {
            result = read(common_json::parse(line), known);
        } catch (const std::exception & error) {
            result["error"] = std::string(error.what());
        }
        std::cout << result.dump() << std::endl;
    }
}
