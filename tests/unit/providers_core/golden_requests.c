/* The requests whose bodies are kept in tests/golden, and the servers that they are encoded for. */

#include "golden_requests.h"

#include "providers/formats/formats.h"

/* ---- conversations ---- */

static const struct chat_message hello[] = {
    {.role = CHAT_USER, .text = TEXT("Hello \"you\"\n\xE2\x82\xAC")},
};

static const struct chat_message turns[] = {
    {.role = CHAT_USER, .text = TEXT("Who was Ada Lovelace?")},
    {.role = CHAT_ASSISTANT, .text = TEXT("A mathematician.")},
    {.role = CHAT_USER, .text = TEXT("When was she born?")},
    {.role = CHAT_ASSISTANT, .text = TEXT("In 1815.")},
    {.role = CHAT_USER, .text = TEXT("Where?")},
};

#define PIXEL "data:image/png;base64,iVBORw0KGgo="

static const struct chat_part image_parts[] = {
    {.kind = CHAT_PART_TEXT, .text = TEXT("What is this?")},
    {.kind = CHAT_PART_IMAGE_URL, .url = TEXT(PIXEL)},
    {.kind = CHAT_PART_IMAGE_URL, .url = TEXT(PIXEL), .detail = TEXT("low")},
    {.kind = CHAT_PART_TEXT, .text = TEXT("And that?")},
};
static const struct chat_message images[] = {
    {.role = CHAT_USER, .parts = image_parts, .parts_count = ARRAY_LENGTH(image_parts)},
};

static const struct chat_part link_parts[] = {
    {.kind = CHAT_PART_TEXT, .text = TEXT("Which one is larger?")},
    {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://example.com/cat.png")},
    {.kind = CHAT_PART_IMAGE_URL, .url = TEXT("https://example.com/dog"), .detail = TEXT("high")},
};
static const struct chat_message links[] = {
    {.role = CHAT_USER, .parts = link_parts, .parts_count = ARRAY_LENGTH(link_parts)},
};

static const struct chat_tool_call oslo_and_time[] = {
    {.id = TEXT("call_a"),
     .name = TEXT("weather"),
     .arguments = TEXT("{\"city\":\"Oslo\",\"unit\":\"celsius\"}")},
    {.id = TEXT("call_b"), .name = TEXT("clock")},
};
static const struct chat_message calls[] = {
    {.role = CHAT_USER, .text = TEXT("How cold is it in Oslo, and what time is it?")},
    {.role = CHAT_ASSISTANT,
     .text = TEXT("Let me look."),
     .tool_calls = oslo_and_time,
     .tool_calls_count = ARRAY_LENGTH(oslo_and_time)},
    {.role = CHAT_TOOL, .text = TEXT("4 degrees"), .tool_call_id = TEXT("call_a")},
    {.role = CHAT_TOOL, .text = TEXT("{\"time\":\"noon\"}"), .tool_call_id = TEXT("call_b")},
    {.role = CHAT_ASSISTANT, .text = TEXT("4 degrees, at noon.")},
    {.role = CHAT_USER, .text = TEXT("Thank you.")},
};
#define CALLS_OPEN 4 /* of them the calls are of the present turn */

/* ---- tools and answers ---- */

#define CITY_SCHEMA                                                                                \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\",\"description\":\"Its "    \
    "name\"},\"unit\":{\"type\":\"string\",\"enum\":[\"celsius\",\"fahrenheit\"]}},"               \
    "\"required\":[\"city\",\"unit\"],\"additionalProperties\":false}"

static const struct chat_tool tools[] = {
    {TEXT("weather"), TEXT("The weather in a city"), TEXT(CITY_SCHEMA), CHAT_SWITCH_ON},
    {TEXT("clock"), TEXT_NONE, TEXT_NONE, CHAT_SWITCH_UNSET},
    {TEXT("note"), TEXT("Takes a note"), TEXT("{\"type\":\"object\",\"properties\":{}}"),
     CHAT_SWITCH_OFF},
};

#define PERSON_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"born\":{\"type\":"      \
    "\"integer\"}},\"required\":[\"name\",\"born\"],\"additionalProperties\":false}"

/* ---- requests ---- */

#define SAYS(what)   .messages = what, .messages_count = ARRAY_LENGTH(what)
#define OFFERS       .tools = tools, .tools_count = ARRAY_LENGTH(tools)
#define CALLS        .messages = calls, .messages_count = CALLS_OPEN
#define EFFORT(word) .request = {SAYS(hello), .reasoning_effort = TEXT(word)}

static const struct text stops[] = {TEXT("END"), TEXT("\n\n")};

static const struct golden_case cases[] = {
    {.name = "text", .request = {SAYS(hello)}},
    {.name = "turns", .request = {SAYS(turns), .instructions = TEXT("Answer in one sentence.")}},
    {.name = "instructions_alone", .request = {.instructions = TEXT("Say hello.")}},
    {.name = "images", .request = {SAYS(images)}},
    {.name = "image_links", .request = {SAYS(links)}, .has_links = true},

    {.name = "tools", .request = {SAYS(hello), OFFERS}},
    {.name = "tools_auto",
     .request = {SAYS(hello), OFFERS, .tool_choice = {CHAT_TOOL_CHOICE_AUTO, TEXT_NONE},
                 .parallel_tool_calls = CHAT_SWITCH_ON}},
    {.name = "tools_none",
     .request = {SAYS(hello), OFFERS, .tool_choice = {CHAT_TOOL_CHOICE_NONE, TEXT_NONE}}},
    {.name = "tools_required",
     .request = {SAYS(hello), OFFERS, .tool_choice = {CHAT_TOOL_CHOICE_REQUIRED, TEXT_NONE},
                 .parallel_tool_calls = CHAT_SWITCH_OFF},
     .for_all = true},
    {.name = "tools_named",
     .request = {SAYS(hello), OFFERS, .tool_choice = {CHAT_TOOL_CHOICE_FUNCTION, TEXT("clock")}},
     .for_all = true},
    {.name = "calls", .request = {CALLS, OFFERS}, .for_all = true},
    {.name = "calls_of_the_past", .request = {SAYS(calls)}},
    {.name = "calls_after_reasoning",
     .request = {CALLS, OFFERS, .reasoning_effort = TEXT("high")},
     .for_all = true,
     .has_state = true},

    {.name = "effort_none", EFFORT("none")},
    {.name = "effort_minimal", EFFORT("minimal"), .for_all = true},
    {.name = "effort_low", EFFORT("low")},
    {.name = "effort_medium", EFFORT("medium")},
    {.name = "effort_high", EFFORT("high")},
    {.name = "effort_xhigh", EFFORT("xhigh")},
    {.name = "effort_max", EFFORT("max"), .for_all = true},

    {.name = "verbosity", .request = {SAYS(hello), .verbosity = TEXT("low")}, .for_all = true},
    {.name = "answer_text",
     .request = {SAYS(hello), .response_format = {.kind = CHAT_FORMAT_TEXT}}},
    {.name = "answer_json",
     .request = {SAYS(hello), .response_format = {.kind = CHAT_FORMAT_JSON_OBJECT}}},
    {.name = "answer_schema",
     .request = {SAYS(hello), .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                                                  .name = TEXT("person"),
                                                  .description = TEXT("Who it is"),
                                                  .schema = TEXT(PERSON_SCHEMA),
                                                  .strict = CHAT_SWITCH_ON}},
     .for_all = true},

    {.name = "limits",
     .request = {SAYS(hello), .max_completion_tokens = 300, .has_temperature = true,
                 .temperature = 0.2, .has_top_p = true, .top_p = 0.9},
     .for_all = true},
    {.name = "temperature", .request = {SAYS(hello), .has_temperature = true, .temperature = 0.7}},
    {.name = "top_p", .request = {SAYS(hello), .has_top_p = true, .top_p = 0.9}},
    {.name = "penalties",
     .request = {SAYS(hello), .has_presence_penalty = true, .presence_penalty = -0.5,
                 .has_frequency_penalty = true, .frequency_penalty = 1}},
    {.name = "stops",
     .request = {SAYS(hello), .stops = stops, .stops_count = ARRAY_LENGTH(stops)},
     .has_stops = true},
    {.name = "streamed", .request = {SAYS(hello), .stream = true}, .for_all = true},
    {.name = "all_at_once",
     .request = {CALLS, OFFERS, .instructions = TEXT("Be brief."),
                 .tool_choice = {CHAT_TOOL_CHOICE_AUTO, TEXT_NONE},
                 .parallel_tool_calls = CHAT_SWITCH_OFF,
                 .response_format = {.kind = CHAT_FORMAT_JSON_SCHEMA,
                                     .name = TEXT("person"),
                                     .schema = TEXT(PERSON_SCHEMA)},
                 .max_completion_tokens = 4000, .reasoning_effort = TEXT("low"), .stream = true}},
};

/* ---- servers ---- */

#define REASONING_CONTENT "{\"reasoning_content\":\"Oslo, then the \\\"clock\\\".\"}"
#define RESPONSES_STATE                                                                            \
    "[{\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\","  \
    "\"text\":\"Two questions.\"}],\"encrypted_content\":\"gAAA\"}},{\"text\":12,\"note\":"        \
    "\"commentary\"},{\"call\":true},{\"call\":true}]"
#define ANTHROPIC_STATE                                                                            \
    "[{\"item\":{\"type\":\"thinking\",\"thinking\":\"Two questions.\",\"signature\":\"c2ln\"}},"  \
    "{\"item\":{\"type\":\"redacted_thinking\",\"data\":\"ZGF0YQ==\"}},{\"text\":12},"             \
    "{\"call\":true},{\"call\":true}]"

static const struct golden_server servers[] = {
    {.folder = "openai_chat",
     .format = &provider_openai_chat,
     .provider_name = "openai",
     .base_url = "https://api.openai.com/v1",
     .model = "gpt-5-mini",
     .embedding_model = "text-embedding-3-small"},
    {.folder = "openai_chat/groq",
     .format = &provider_openai_chat,
     .provider_name = "groq",
     .base_url = "https://api.groq.com/openai/v1",
     .model = "openai/gpt-oss-120b"},
    {.folder = "openai_chat/deepseek",
     .format = &provider_openai_chat,
     .provider_name = "deepseek",
     .base_url = "https://api.deepseek.com/v1",
     .model = "deepseek-v4-pro",
     .state = REASONING_CONTENT,
     .is_brief = true},
    {.folder = "openai_chat/mistral",
     .format = &provider_openai_chat,
     .provider_name = "mistral",
     .base_url = "https://api.mistral.ai/v1",
     .model = "mistral-medium-latest",
     .is_brief = true},
    {.folder = "openai_chat/openrouter",
     .format = &provider_openai_chat,
     .provider_name = "openrouter",
     .base_url = "https://openrouter.ai/api/v1",
     .model = "qwen/qwen3-32b",
     .is_brief = true},
    {.folder = "openai_chat/vllm",
     .format = &provider_openai_chat,
     .provider_name = "vllm",
     .base_url = "http://127.0.0.1:8000/v1",
     .model = "Qwen/Qwen3-8B",
     .state = REASONING_CONTENT,
     .is_brief = true},
    {.folder = "openai_chat/llama_cpp",
     .format = &provider_openai_chat,
     .provider_name = "llama-server",
     .base_url = "http://127.0.0.1:8080/v1",
     .model = "gpt-oss-20b",
     .state = REASONING_CONTENT,
     .is_brief = true},
    {.folder = "openai_chat/lm_studio",
     .format = &provider_openai_chat,
     .provider_name = "lm-studio",
     .base_url = "http://127.0.0.1:1234/v1",
     .model = "qwen/qwen3-8b",
     .state = REASONING_CONTENT,
     .is_brief = true},
    {.folder = "openai_chat/mlx",
     .format = &provider_openai_chat,
     .provider_name = "mlx",
     .base_url = "http://127.0.0.1:8081/v1",
     .model = "mlx-community/Qwen3-8B-4bit",
     .is_brief = true},
    {.folder = "openai_responses",
     .format = &provider_openai_responses,
     .provider_name = "openai",
     .base_url = "https://api.openai.com/v1",
     .model = "gpt-5-mini",
     .state = RESPONSES_STATE,
     .takes_no_stops = true},
    {.folder = "anthropic",
     .format = &provider_anthropic,
     .provider_name = "anthropic",
     .base_url = "https://api.anthropic.com/v1",
     .model = "claude-sonnet-5",
     .state = ANTHROPIC_STATE},
    {.folder = "gemini",
     .format = &provider_gemini,
     .provider_name = "google",
     .base_url = "https://generativelanguage.googleapis.com/v1beta",
     .model = "gemini-3-flash-preview",
     .state = "{\"signatures\":[\"c2ln\",null]}",
     .embedding_model = "gemini-embedding-001"},
    {.folder = "gemini/gemini_2.5",
     .format = &provider_gemini,
     .provider_name = "google",
     .base_url = "https://generativelanguage.googleapis.com/v1beta",
     .model = "gemini-2.5-pro",
     .state = "{\"signatures\":[\"c2ln\",null]}",
     .is_brief = true},
    {.folder = "ollama",
     .format = &provider_ollama,
     .provider_name = "ollama",
     .base_url = "http://127.0.0.1:11434",
     .model = "qwen3:8b",
     .state = "{\"thinking\":\"Two questions.\"}",
     .embedding_model = "nomic-embed-text",
     .context_tokens = 8192,
     .takes_no_links = true},
};

size_t golden_cases(const struct golden_case **out)
{
    *out = cases;
    return ARRAY_LENGTH(cases);
}

size_t golden_servers(const struct golden_server **out)
{
    *out = servers;
    return ARRAY_LENGTH(servers);
}

bool golden_is_sent(const struct golden_server *server, const struct golden_case *one)
{
    return (one->for_all || !server->is_brief) && !(one->has_links && server->takes_no_links) &&
           !(one->has_state && !server->state) && !(one->has_stops && server->takes_no_stops);
}
