/* Models: what an agent may name here. https://platform.openai.com/docs/api-reference/models
 *
 * A name may hold slashes: "groq/openai/gpt-oss-120b". Clients send them as they are, or
 * escaped. */

#include "providers/models/registry.h"
#include "scheduler/api/openai/resources.h"
#include "scheduler/api/request.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

static void write_sizes(struct json_write *write, const struct provider_target *target)
{
    if (target->context_tokens)
        json_write_int(write, "context_tokens", target->context_tokens);
    if (target->output_tokens_max)
        json_write_int(write, "output_tokens", target->output_tokens_max);
}

/* OpenAI's four members, and what is known of it. When a model was made is not known. */
static void write_model(struct json_write *write, struct text name,
                        const struct provider_target *target)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "id", name);
    json_write_string(write, "object", "model");
    json_write_int(write, "created", 0);
    json_write_string(write, "owned_by", target->provider_name);
    write_sizes(write, target);
    json_write_bool(write, "tools", target->abilities.tools);
    json_write_bool(write, "images", target->abilities.images);
    json_write_bool(write, "structured_output", target->abilities.structured_output);
    json_write_bool(write, "reasoning_effort", target->abilities.reasoning_effort);
    json_write_int(write, "input_price", target->prices.input);
    json_write_int(write, "output_price", target->prices.output);
    json_write_close(write);
}

static void add_model(void *arg, struct text name, const struct provider_target *target)
{
    write_model(arg, name, target);
}

static int model_list(struct request *request)
{
    struct json_write write;

    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    json_write_open_array(&write, "data");
    provider_registry_list(request->api->registry, add_model, &write);
    json_write_close(&write);
    json_write_close(&write);
    return 0;
}

/* The name, out of as many segments as it has. */
static struct text name_of(struct request *request, size_t segments)
{
    const struct text *params = request->exchange->params;
    struct arena *arena = &request->exchange->arena;
    const char *name = "";

    for (size_t i = 0; name && i < segments; i++)
        name = arena_printf(arena, "%s%s%.*s", name, i ? "/" : "", TEXT_ARGS(params[i]));
    return name ? text_of(name) : TEXT("");
}

static int get(struct request *request, size_t segments)
{
    struct text name = name_of(request, segments);
    struct provider_target target;
    struct json_write write;
    struct error err;

    if (provider_registry_resolve(request->api->registry, name, &target, &err) < 0)
        return failure_param(&request->failure, 404, "model", "model_not_found", "%s.", err.text);
    json_write_init(&write, &request->reply);
    write_model(&write, name, &target);
    return 0;
}

static int model_get(struct request *request)
{
    return get(request, 1);
}

static int model_get_2(struct request *request)
{
    return get(request, 2);
}

static int model_get_3(struct request *request)
{
    return get(request, 3);
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/models", .handle = model_list},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/models/{model}", .handle = model_get},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/models/{provider}/{model}", .handle = model_get_2},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/models/{provider}/{owner}/{model}",
     .handle = model_get_3},
};
/* clang-format on */

const struct endpoint_table model_endpoints = ENDPOINT_TABLE(table);
