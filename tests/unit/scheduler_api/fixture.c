/* The fixture of the tests of scheduler/api. */

#include "fixture.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "providers/models/registry.h"
#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/store/migrate.h"

static char database_url[1024];
static void (*test_body)(struct fixture *fixture);
static const struct endpoint_table *const *test_tables; /* NULL: the API's own */
static size_t test_tables_count;

static void url_of(const char *database, char *out, size_t size)
{
    const char *url = getenv("DATABASE_URL");
    const char *query;

    cr_assert(url, "run this under tests/lib/with-servers");
    query = strchr(url, '?');
    cr_assert(query && strncmp(url, "postgresql:///", 14) == 0, "an unexpected url: %s", url);
    snprintf(out, size, "postgresql:///%s%s", database, query);
}

static int64_t sql(const char *url, const char *statement)
{
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, statement);
    int64_t value = 0;

    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK ||
                  PQresultStatus(result) == PGRES_TUPLES_OK,
              "%s: %s", statement, PQerrorMessage(conn));
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0)
        value = atoll(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    return value;
}

void sql_do(struct fixture *fixture, const char *statement)
{
    (void)fixture;
    (void)sql(database_url, statement);
}

int64_t sql_int(struct fixture *fixture, const char *statement)
{
    (void)fixture;
    return sql(database_url, statement);
}

void sql_admin(const char *statement)
{
    char url[1024];

    url_of("postgres", url, sizeof(url));
    (void)sql(url, statement);
}

static void must(int r, const struct error *err)
{
    cr_assert_eq(r, 0, "%d %s", r, r < 0 ? err->text : "a condition");
}

static void make_tenant(struct store *store, const char *name, char key[KEY_TEXT_SIZE])
{
    struct tenant tenant;
    struct api_key made;
    struct error err;

    must(tenants_create(store, text_of(name), &(struct tenant_change){0}, &tenant, &err), &err);
    store->tenant = tenant.id;
    must(keys_create(store, TEXT("test"), &made, key, &err), &err);
}

static void on_ready(struct uuid run, struct uuid tenant, int shard, int priority, void *arg)
{
    struct fixture *fixture = arg;

    cr_assert(!uuid_is_zero(run) && uuid_equal(tenant, fixture->tenant));
    cr_assert(shard == 0 && priority == 1);
    fixture->runs_told++;
}

static void on_cancelling(int64_t worker, struct uuid run, void *arg)
{
    struct fixture *fixture = arg;

    cr_assert(worker != 0 && !uuid_is_zero(run));
    fixture->cancels_told++;
}

static void run_api(struct fixture *fixture, struct provider_registry *registry)
{
    struct api_options options = {
        .pg = fixture->pg,
        .registry = registry,
        .events = {.run_ready = on_ready, .run_cancelling = on_cancelling, .arg = fixture},
        .tables = test_tables,
        .tables_count = test_tables_count,
    };
    struct http_server_options http = {
        .host = "127.0.0.1",
        .handler = api_handle,
        .head = api_head,
        .error_body = api_error_body,
        .max_body_bytes = 1024 * 1024,
    };
    struct error err;

    fixture->api = api_new(&options);
    http.arg = fixture->api;
    must(http_server_open(&http, &fixture->server, &err), &err);
    test_body(fixture);
    http_server_close(fixture->server, deadline_in(1000));
    api_free(fixture->api);
}

static void run_body(void *arg)
{
    static char *environment[] = {NULL};
    struct config_flags flags = {0};
    struct pg_options options = {
        .url = database_url, .application_name = "unit", .request_timeout_ms = 2000};
    struct provider_registry *registry;
    struct fixture fixture = {0};
    struct config *config;
    struct arena arena;
    struct store store = {.arena = &arena};
    struct error err;

    (void)arg;
    arena_init(&arena, 0);
    must(config_load(&flags, environment, &config, &err), &err);
    must(provider_registry_new(config, &registry, &err), &err);
    must(pg_open(&options, &fixture.pg, &err), &err);
    must(pg_wait_ready(fixture.pg, deadline_in(10000), &err), &err);
    store.pg = fixture.pg;
    must(migrate_apply(&store, NULL, &err), &err);
    make_tenant(&store, "rival", fixture.other_key);
    make_tenant(&store, "acme", fixture.key);
    fixture.tenant = store.tenant;
    run_api(&fixture, registry);
    json_free(fixture.body);
    free(fixture.headers);
    pg_close(fixture.pg);
    provider_registry_free(registry);
    config_free(config);
    arena_deinit(&arena);
    offload_stop();
}

void with_api(void (*body)(struct fixture *fixture))
{
    char admin_url[1024];
    char statement[128];

    url_of("postgres", admin_url, sizeof(admin_url));
    /* Where penstock is migrated, so is a copy of it, in a tenth of the time. */
    snprintf(statement, sizeof(statement), "CREATE DATABASE api_%d TEMPLATE penstock",
             (int)getpid());
    (void)sql(admin_url, statement);
    snprintf(statement, sizeof(statement), "api_%d", (int)getpid());
    url_of(statement, database_url, sizeof(database_url));
    test_body = body;
    loop_run(run_body, NULL);
    snprintf(statement, sizeof(statement), "DROP DATABASE api_%d", (int)getpid());
    (void)sql(admin_url, statement);
}

void with_tables(const struct endpoint_table *const *tables, size_t count,
                 void (*body)(struct fixture *fixture))
{
    test_tables = tables;
    test_tables_count = count;
    with_api(body);
}

static void exchange(struct fixture *fixture, const struct buf *request, struct buf *reply)
{
    struct address address;
    struct error err;
    size_t got;
    int fd;
    int r;

    must(address_parse("127.0.0.1", http_server_port(fixture->server), &address, &err), &err);
    must(io_connect(&address, deadline_in(5000), &fd, &err), &err);
    must(io_write(fd, request->ptr, request->len, deadline_in(5000), &err), &err);
    do {
        char *to = buf_reserve(reply, 65536);

        cr_assert(to);
        r = io_read(fd, to, 65536, deadline_in(20000), &got, &err);
        cr_assert(r >= 0, "%s", r < 0 ? err.text : "");
        if (r == 0)
            reply->len += got;
    } while (r == 0);
    *buf_reserve(reply, 1) = '\0';
    io_close(&fd);
}

int http(struct fixture *fixture, struct call call)
{
    const char *key = call.key ? call.key : fixture->key;
    struct error err;
    struct buf request;
    struct buf reply;
    char *blank;

    buf_init(&request, 0);
    buf_init(&reply, 0);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", call.method,
               call.path);
    if (key[0])
        buf_printf(&request, "Authorization: Bearer %s\r\n", key);
    if (call.headers)
        buf_add_string(&request, call.headers);
    if (call.body)
        buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                   strlen(call.body));
    buf_printf(&request, "\r\n%s", call.body ? call.body : "");
    exchange(fixture, &request, &reply);
    json_free(fixture->body);
    fixture->body = NULL;
    free(fixture->headers);
    blank = reply.ptr ? strstr(reply.ptr, "\r\n\r\n") : NULL;
    cr_assert(blank, "no reply to %s %s", call.method, call.path);
    if (blank[4] && json_decode(text_of(blank + 4), 100, &fixture->body, &err) < 0)
        cr_assert_fail("%s: %s", err.text, blank + 4);
    fixture->headers = xstrndup(reply.ptr, (size_t)(blank + 2 - reply.ptr));
    buf_deinit(&request);
    buf_deinit(&reply);
    return atoi(fixture->headers + strlen("HTTP/1.1 "));
}

int http_events(struct fixture *fixture, const char *path)
{
    struct buf request;
    struct buf reply;
    char *blank;

    buf_init(&request, 0);
    buf_init(&reply, 0);
    buf_printf(&request,
               "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
               "Authorization: Bearer %s\r\n\r\n",
               path, fixture->key);
    exchange(fixture, &request, &reply);
    blank = strstr(reply.ptr, "\r\n\r\n");
    cr_assert(blank);
    free(fixture->headers);
    fixture->headers = xstrndup(reply.ptr, (size_t)(blank + 2 - reply.ptr));
    buf_deinit(&request);
    buf_deinit(&reply);
    return atoi(fixture->headers + strlen("HTTP/1.1 "));
}

struct json_object *expect(struct fixture *fixture, int status, const char *method,
                           const char *path, const char *body)
{
    int got = http(fixture, (struct call){.method = method, .path = path, .body = body});

    cr_assert_eq(got, status, "%s %s: %d %s", method, path, got, json_text(fixture->body).ptr);
    return fixture->body;
}

const char *header(struct fixture *fixture, const char *name)
{
    static char value[256];
    char *at = fixture->headers;

    while ((at = strstr(at, "\r\n"))) {
        at += 2;
        if (strncasecmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ':') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(name) + 2, "\r"),
                     at + strlen(name) + 2);
            return value;
        }
    }
    return NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void refused(struct fixture *fixture, int status, const char *param, const char *code,
             const char *message, struct call call)
{
    int got = http(fixture, call);
    struct json_object *error = json_get(fixture->body, "error");
    const char *all = json_text(fixture->body).ptr;

    cr_assert_eq(got, status, "%s %s: %d instead of %d: %s", call.method, call.path, got, status,
                 all);
    cr_assert(same(json_get_string(error, "param"), param), "param: %s", all);
    cr_assert(same(json_get_string(error, "code"), code), "code: %s", all);
    cr_assert(json_get_string(error, "type") && strstr(string_at(error, "message"), message),
              "message: %s", all);
    cr_assert(json_has(error, "param") && json_has(error, "code"));
}

const char *show(const char *format, ...)
{
    static char texts[256][1024];
    static int next;
    va_list args;
    char *text = texts[next++ % 256];

    va_start(args, format);
    vsnprintf(text, sizeof(texts[0]), format, args);
    va_end(args);
    return text;
}

const char *string_at(struct json_object *object, const char *name)
{
    const char *string = json_get_string(object, name);

    cr_assert(string, "no string %s in %s", name, json_text(object).ptr);
    return string;
}

const char *new_assistant(struct fixture *fixture)
{
    return show("%s",
                string_at(expect(fixture, 200, "POST", "/v1/assistants",
                                 "{\"model\":\"gpt-4o-mini\",\"instructions\":\"Be brief.\"}"),
                          "id"));
}

const char *new_thread(struct fixture *fixture)
{
    return show("%s", string_at(expect(fixture, 200, "POST", "/v1/threads",
                                       "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"),
                                "id"));
}
