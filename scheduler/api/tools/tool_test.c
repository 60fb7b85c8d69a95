/* One call of a tool outside of any run: what goes out, and what a model would be told. Secrets are
 * used as in a run, and are not shown: whoever has a key of the tenant may send them where he may
 * write a tool that sends them. */

#include "scheduler/api/tools/resources.h"
#include "scheduler/api/tools/tool_common.h"
#include "shared/base/clock.h"
#include "shared/json/json_write.h"
#include "shared/tools/http_tool_call.h"
#include "shared/tools/http_tool_request.h"
#include "shared/tools/open_secrets.h"

#define TIMEOUT_MS       30000
#define RESULT_BYTES_MAX ((size_t)256 << 10)

static const struct field test_tool[] = {
    {"arguments", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, NULL},
};
static const struct fields body_test_tool = {test_tool, ARRAY_LENGTH(test_tool),
                                             sizeof(test_tool[0]), NULL, 0};

/* A trial, while it is made. */
struct trial {
    struct request *request;
    struct json_object *definition;
    struct http_tool tool;
    struct text names[HTTP_TOOL_SECRETS_MAX + 1];
    size_t names_count;
    struct buf result; /* what the model would be told */
    struct http_tool_result made;
};

/* What goes out, with the names of secrets in place of these. Nothing where it can't be made. */
static void write_request(const struct trial *trial, struct json_write *w)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct arena *arena = trial->request->store.arena;
    struct known_secret names[HTTP_TOOL_SECRETS_MAX + 1];
    struct template_values values = {.secrets = names, .secrets_count = trial->names_count};
    struct json_object *said = json_get(trial->request->body, "arguments");
    struct http_tool_request made;

    for (size_t i = 0; i < trial->names_count; i++) {
        const char *shown = arena_printf(arena, "[secret %.*s]", TEXT_ARGS(trial->names[i]));

        names[i] = (struct known_secret){trial->names[i], text_of(shown)};
    }
    json_write_open_object(w, "request");
    if (http_tool_arguments(&trial->tool, said ? json_text(said) : TEXT("{}"), &arguments, NULL) ==
        0) {
        values.arguments = arguments;
        if (http_tool_request_make(&trial->tool, &values, &made, NULL) == 0) {
            json_write_string(w, "method", made.method);
            json_write_text(w, "url", buf_text(&made.url));
            json_write_open_object(w, "headers");
            for (size_t i = 0; i < made.headers_count; i++) {
                json_write_name(w, arena_copy(arena, made.headers[i].name));
                buf_add_json(w->out, made.headers[i].value);
            }
            json_write_close(w);
            json_write_text(w, "body", trial->tool.body ? buf_text(&made.body) : TEXT_NONE);
        }
        http_tool_request_deinit(&made);
    }
    json_write_close(w);
}

static void render(const struct trial *trial)
{
    const struct http_tool_result *made = &trial->made;
    struct json_write w;

    json_write_init(&w, &trial->request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "tool.test");
    json_write_bool(&w, "is_error", made->is_error);
    json_write_text(&w, "output", buf_text(&trial->result));
    if (made->status > 0)
        json_write_int(&w, "status", made->status);
    else
        json_write_null(&w, "status");
    json_write_string(&w, "class", call_class_name(trial->tool.class));
    json_write_int(&w, "tries", made->tries);
    json_write_int(&w, "bytes", (int64_t)made->bytes);
    json_write_bool(&w, "is_cut", made->is_cut);
    json_write_int(&w, "took_ms", made->took_ms);
    write_request(trial, &w);
    json_write_close(&w);
}

/* What goes wrong is what a model would be told. Returns 0 or -E_CANCELED. */
static int make_call(struct trial *trial, struct error *err)
{
    struct request *request = trial->request;
    const struct open_secrets_options options = {request->api->pg, request->api->master_keys,
                                                 request->store.tenant};
    struct json_object *said = json_get(request->body, "arguments");
    char key[ID_TEXT_SIZE];
    struct open_secrets secrets;
    struct http_tool_call call = {
        .http = request->api->hooks,
        .guard = request->api->tool_guard,
        .tool = &trial->tool,
        .arguments = said ? json_text(said) : TEXT("{}"),
        .deadline_ms = deadline_in(TIMEOUT_MS),
    };
    int r = open_secrets_read(&options, trial->names, trial->names_count, &secrets, err);

    id_format(ID_REQUEST, uuid_new(), key);
    call.key = text_of(key);
    if (r == 0) {
        call.secrets = secrets.items;
        call.secrets_count = secrets.count;
        r = http_tool_run(&call, &trial->result, &trial->made, err);
    }
    open_secrets_wipe(&secrets);
    if (r >= 0 || r == -E_CANCELED)
        return r;
    trial->made.is_error = true;
    buf_reset(&trial->result);
    buf_printf(&trial->result, "Error: %s.", err->text);
    return 0;
}

static int try_tool(struct trial *trial)
{
    struct request *request = trial->request;
    struct error err;
    int r;

    http_tool_read(trial->definition, &trial->tool);
    trial->names_count = http_tool_secrets(trial->definition, trial->names);
    if (trial->names_count > HTTP_TOOL_SECRETS_MAX)
        trial->names_count = HTTP_TOOL_SECRETS_MAX;
    if (!request->api->hooks)
        return failure_param(&request->failure, 503, NULL, "tools_unavailable",
                             "This server makes no calls of tools.");
    r = make_call(trial, &err);
    if (r < 0)
        return request_failed(request, &err);
    render(trial);
    return 0;
}

static int tool_test(struct request *request)
{
    struct trial trial = {.request = request};
    struct stored_tool tool;
    struct error err;
    int r = tool_find(request, &tool);

    if (r < 0)
        return r;
    r = json_decode(tool.definition, JSON_DEPTH_DEFAULT, &trial.definition, &err);
    if (r < 0)
        return request_failed(request, &err);
    buf_init(&trial.result, RESULT_BYTES_MAX);
    r = try_tool(&trial);
    buf_deinit(&trial.result);
    json_free(trial.definition);
    return r;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/tools/{tool_id}/test", .handle = tool_test,
     .takes = TAKES_JSON, .body = &body_test_tool},
};
/* clang-format on */

const struct endpoint_table tool_test_endpoints = ENDPOINT_TABLE(table);
