/* What a request of Gemini has beside its contents: GenerateContentConfig, Tool and Schema of the
 * npm package @google/genai; https://ai.google.dev/api/caching#Schema. `parameters` of a function
 * are a Schema, which knows few words of JSON Schema; parametersJsonSchema are anything. */

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "providers/rehearsal/dialects/gemini/gemini.h"

#define SCHEMA_DEPTH 32
#define PATH_SIZE    200

static int check_generation(struct reader *reader)
{
    static const char *const known[] = {"temperature",
                                        "topP",
                                        "topK",
                                        "candidateCount",
                                        "maxOutputTokens",
                                        "stopSequences",
                                        "responseLogprobs",
                                        "logprobs",
                                        "presencePenalty",
                                        "frequencyPenalty",
                                        "seed",
                                        "responseMimeType",
                                        "responseSchema",
                                        "responseJsonSchema",
                                        "_responseJsonSchema",
                                        "responseModalities",
                                        "mediaResolution",
                                        "speechConfig",
                                        "thinkingConfig",
                                        "imageConfig",
                                        "enableEnhancedCivicAnswers",
                                        "audioTimestamp",
                                        NULL};
    static const char *const thinking_known[] = {"includeThoughts", "thinkingBudget",
                                                 "thinkingLevel", NULL};
    struct json_object *config = dialect_gemini_get(reader->request->body, "generationConfig");
    struct json_object *thinking = dialect_gemini_get(config, "thinkingConfig");
    double temperature = json_get_double(config, "temperature", 1);
    struct json_object *budget = dialect_gemini_get(thinking, "thinkingBudget");
    int r = dialect_gemini_check_members(reader->problem, config, known, "generation_config");

    if (r == 0)
        r = dialect_gemini_check_members(reader->problem, thinking, thinking_known,
                                         "generation_config.thinking_config");
    if (r == 0 && !(temperature >= 0 && temperature <= 2))
        r = problem_set(reader->problem, NULL,
                        "* GenerateContentRequest.generation_config.temperature: temperature must "
                        "be in the range [0.0, 2.0].");
    if (r == 0 && budget && dialect_gemini_get(thinking, "thinkingLevel"))
        r = problem_set(reader->problem, NULL,
                        "You can only set one of thinking budget and thinking level.");
    reader->out->with_thoughts =
        json_object_get_boolean(dialect_gemini_get(thinking, "includeThoughts"));
    reader->out->without_reasoning = budget && json_object_get_int64(budget) == 0;
    return r;
}

static int check_format(struct reader *reader)
{
    struct json_object *config = dialect_gemini_get(reader->request->body, "generationConfig");
    struct text type = json_string(dialect_gemini_get(config, "responseMimeType"));
    bool schema = dialect_gemini_get(config, "responseSchema") ||
                  dialect_gemini_get(config, "responseJsonSchema");

    if (schema && !text_is(type, "application/json") && !text_is(type, "text/x.enum"))
        return problem_set(reader->problem, NULL,
                           "* GenerateContentRequest.generation_config.response_schema: only "
                           "allowed with the response mime types application/json and text/x.enum");
    if (text_is(type, "application/json") && reader->offered.count &&
        !dialect_gemini_model_signs(reader->out->model))
        return problem_set(reader->problem, NULL,
                           "Function calling with a response mime type: 'application/json' is "
                           "unsupported");
    return 0;
}

/* ---- functions ---- */

static int check_schema(struct problem *problem, struct json_object *schema, const char *at,
                        int depth);

static int check_type(struct problem *problem, struct json_object *type, const char *at)
{
    static const char *const types[] = {"STRING", "NUMBER", "INTEGER", "BOOLEAN",
                                        "ARRAY",  "OBJECT", "NULL",    NULL};

    if (!type)
        return 0;
    if (json_object_is_type(type, json_type_array))
        return problem_set(problem, NULL,
                           "Invalid JSON payload received. Unknown name \"type\" at '%s': Proto "
                           "field is not repeating, cannot start list.",
                           at);
    for (size_t i = 0; types[i]; i++)
        if (text_is_nocase(json_string(type), types[i]))
            return 0;
    return problem_set(problem, NULL,
                       "Invalid value at '%s.type' "
                       "(type.googleapis.com/google.ai.generativelanguage.v1beta.Type), \"%.40s\"",
                       at, json_string(type).ptr ? json_string(type).ptr : "");
}

static int check_properties(struct problem *problem, struct json_object *schema, const char *at,
                            int depth)
{
    struct json_object *properties = json_get(schema, "properties");
    char path[PATH_SIZE];
    size_t i = 0;

    if (text_is_nocase(json_get_text(schema, "type"), "OBJECT") &&
        (!properties || !json_object_object_length(properties)))
        return problem_set(problem, NULL,
                           "* GenerateContentRequest.%s.properties: should be non-empty for OBJECT "
                           "type",
                           at);
    if (!json_object_is_type(properties, json_type_object))
        return 0;
    json_object_object_foreach(properties, name, value)
    {
        int r;

        (void)name;
        (void)snprintf(path, sizeof(path), "%.150s.properties[%zu].value", at, i++);
        r = check_schema(problem, value, path, depth - 1);
        if (r != 0)
            return r;
    }
    return 0;
}

/* Recursion is capped by `depth`. */
static int check_schema(struct problem *problem, struct json_object *schema, const char *at,
                        int depth)
{
    static const char *const known[] = {"anyOf",
                                        "default",
                                        "description",
                                        "enum",
                                        "example",
                                        "format",
                                        "items",
                                        "maxItems",
                                        "maxLength",
                                        "maxProperties",
                                        "maximum",
                                        "minItems",
                                        "minLength",
                                        "minProperties",
                                        "minimum",
                                        "nullable",
                                        "pattern",
                                        "properties",
                                        "propertyOrdering",
                                        "required",
                                        "title",
                                        "type",
                                        NULL};
    struct json_object *any_of = dialect_gemini_get(schema, "anyOf");
    char path[PATH_SIZE];
    int r;

    if (depth == 0)
        return problem_set(problem, NULL, "The schema at '%s' is nested too deeply.", at);
    r = dialect_gemini_check_members(problem, schema, known, at);
    if (r == 0)
        r = check_type(problem, json_get(schema, "type"), at);
    if (r == 0)
        r = check_properties(problem, schema, at, depth);
    if (r == 0 && json_get(schema, "items")) {
        (void)snprintf(path, sizeof(path), "%.150s.items", at);
        r = check_schema(problem, json_get(schema, "items"), path, depth - 1);
    }
    for (size_t i = 0; r == 0 && i < reader_length(any_of); i++) {
        (void)snprintf(path, sizeof(path), "%.150s.any_of[%zu]", at, i);
        r = check_schema(problem, json_object_array_get_idx(any_of, i), path, depth - 1);
    }
    return r;
}

static bool name_fits(struct text name)
{
    if (!name.len || name.len > 64 || (!isalpha((unsigned char)name.ptr[0]) && name.ptr[0] != '_'))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.ptr[i]) && !memchr("_.:-", name.ptr[i], 4))
            return false;
    return true;
}

static int read_function(struct reader *reader, struct json_object *function, const char *at)
{
    static const char *const known[] = {
        "behavior", "description",        "name", "parameters", "parametersJsonSchema",
        "response", "responseJsonSchema", NULL};
    struct text name = json_get_text(function, "name");
    struct json_object *parameters = json_get(function, "parameters");
    char path[PATH_SIZE];
    int r = dialect_gemini_check_members(reader->problem, function, known, at);

    if (r != 0)
        return r;
    if (!name_fits(name))
        return problem_set(reader->problem, NULL,
                           "* GenerateContentRequest.%s.name: Invalid function name. Must start "
                           "with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
                           "underscores (_), dots (.), colons (:), or dashes (-), with a maximum "
                           "length of 64.",
                           at);
    for (size_t i = 0; i < reader->offered.count; i++)
        if (text_equal(reader->offered.items[i], name))
            return problem_set(reader->problem, NULL, "Duplicate function declaration found: %.64s",
                               name.ptr);
    (void)snprintf(path, sizeof(path), "%.150s.parameters", at);
    if (parameters)
        r = check_schema(reader->problem, parameters, path, SCHEMA_DEPTH);
    return r == 0 ? reader_offer(reader, name) : r;
}

static int read_tool(struct reader *reader, struct json_object *tool, size_t i)
{
    static const char *const known[] = {"functionDeclarations",
                                        "googleSearch",
                                        "googleSearchRetrieval",
                                        "codeExecution",
                                        "urlContext",
                                        "computerUse",
                                        "fileSearch",
                                        "googleMaps",
                                        "mcpServers",
                                        NULL};
    struct json_object *functions = dialect_gemini_get(tool, "functionDeclarations");
    char at[PATH_SIZE];
    int r;

    (void)snprintf(at, sizeof(at), "tools[%zu]", i);
    r = dialect_gemini_check_members(reader->problem, tool, known, at);
    for (size_t n = 0; r == 0 && n < reader_length(functions); n++) {
        (void)snprintf(at, sizeof(at), "tools[%zu].function_declarations[%zu]", i, n);
        r = read_function(reader, json_object_array_get_idx(functions, n), at);
    }
    return r;
}

/* Leaves the functions on offer that are allowed. */
static int narrow(struct reader *reader, struct json_object *allowed)
{
    size_t kept = 0;

    for (size_t i = 0; i < reader_length(allowed); i++) {
        struct text name = json_string(json_object_array_get_idx(allowed, i));
        size_t n = 0;

        while (n < reader->offered.count && !text_equal(reader->offered.items[n], name))
            n++;
        if (n == reader->offered.count)
            return problem_set(reader->problem, NULL,
                               "allowed_function_names has '%.64s', which is no function that the "
                               "request declares.",
                               name.ptr ? name.ptr : "");
        if (n >= kept) {
            struct text other = reader->offered.items[kept];

            reader->offered.items[kept++] = reader->offered.items[n];
            reader->offered.items[n] = other;
        }
    }
    reader->offered.count = kept;
    return 0;
}

static int read_tool_config(struct reader *reader)
{
    struct json_object *config = dialect_gemini_get(reader->request->body, "toolConfig");
    struct json_object *calling = dialect_gemini_get(config, "functionCallingConfig");
    struct json_object *allowed = dialect_gemini_get(calling, "allowedFunctionNames");
    struct text mode = json_get_text(calling, "mode");

    if (!calling)
        return 0;
    if (!reader->offered.count)
        return problem_set(reader->problem, NULL,
                           "Function calling config is set without function_declarations.");
    if (mode.ptr && !text_is_nocase(mode, "AUTO") && !text_is_nocase(mode, "ANY") &&
        !text_is_nocase(mode, "NONE") && !text_is_nocase(mode, "VALIDATED") &&
        !text_is_nocase(mode, "MODE_UNSPECIFIED"))
        return problem_set(reader->problem, NULL,
                           "Invalid value at 'tool_config.function_calling_config.mode', \"%.40s\"",
                           mode.ptr);
    if (allowed && !text_is_nocase(mode, "ANY") && !text_is_nocase(mode, "VALIDATED"))
        return problem_set(reader->problem, NULL,
                           "* GenerateContentRequest.tool_config.function_calling_config."
                           "allowed_function_names: should only be set when the function calling "
                           "mode is ANY.");
    if (text_is_nocase(mode, "NONE"))
        reader->offered.count = 0;
    return allowed ? narrow(reader, allowed) : 0;
}

static int read_tools(struct reader *reader)
{
    struct json_object *tools = json_get(reader->request->body, "tools");

    for (size_t i = 0; i < reader_length(tools); i++) {
        int r = read_tool(reader, json_object_array_get_idx(tools, i), i);

        if (r != 0)
            return r;
    }
    return read_tool_config(reader);
}

static int read_system(struct reader *reader)
{
    struct json_object *system = dialect_gemini_get(reader->request->body, "systemInstruction");

    if (!system)
        return 0;
    buf_reset(&reader->text);
    dialect_gemini_gather(system, &reader->text);
    if (!reader->text.len)
        return problem_set(reader->problem, NULL,
                           "* GenerateContentRequest.system_instruction.parts: contents.parts must "
                           "not be empty.");
    return reader_system(reader);
}

int dialect_gemini_read_settings(struct reader *reader)
{
    static const char *const known[] = {
        "contents",         "systemInstruction", "tools",  "toolConfig",  "safetySettings", "model",
        "generationConfig", "cachedContent",     "labels", "serviceTier", "store",          NULL};
    int r = dialect_gemini_check_key(reader->request, reader->problem);

    if (r == 0)
        r = dialect_gemini_check_members(reader->problem, reader->request->body, known, "");
    if (r == 0)
        r = check_generation(reader);
    if (r == 0)
        r = read_tools(reader);
    if (r == 0)
        r = check_format(reader);
    return r == 0 ? read_system(reader) : r;
}
