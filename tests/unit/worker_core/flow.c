/* The fixture of the tests of a run's flow. */

#include "flow.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "providers/rehearsal/server.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/access/tenants.h"
#include "shared/store/agents/agents.h"
#include "shared/store/migrate.h"
#include "shared/store/runs/runs.h"
#include "shared/store/threads/histories.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/threads.h"
#include "worker/kinds/kinds.h"
#include "worker/stats/call_stats.h"

#define ATTEMPT_MS 20000

static const char model_script[] =
    "rules:\n"
    "  - {when: {user: stop}, then: {text: Never mind.}}\n"
    "  - when: {user: later}\n"
    "    steps:\n"
    "      - calls:\n"
    "          - {name: wait, arguments: {seconds: 60}}\n"
    "          - {name: look_up, arguments: {n: 1}}\n"
    "  - when: {user: leave}\n"
    "    steps:\n"
    "      - text: Let me see.\n"
    "        calls:\n"
    "          - {name: http_request, arguments: {method: GET, url: "
    "'http://127.0.0.1:%d/healthz'}}\n"
    "          - {name: look_up, arguments: {n: 1}}\n"
    "          - {name: calculator, arguments: {expression: '6 * 7'}}\n"
    "        usage: {prompt_tokens: 10, completion_tokens: 3}\n"
    "  - steps:\n"
    "      - calls:\n"
    "          - {name: calculator, arguments: {expression: '6 * 7'}}\n"
    "          - {name: http_request, arguments: {method: GET, url: "
    "'http://127.0.0.1:%d/healthz'}}\n"
    "        usage: {prompt_tokens: 10, completion_tokens: 3}\n"
    "      - calls:\n"
    "          - {name: http_request, arguments: {method: GET, url: "
    "'http://127.0.0.1:%d/healthz'}}\n"
    "        usage: {prompt_tokens: 10, completion_tokens: 3}\n"
    "      - calls: [{name: calculator, arguments: {expression: '1 + 1'}}]\n"
    "        usage: {prompt_tokens: 10, completion_tokens: 3}\n"
    "      - text: 'It is {{tool}}.'\n"
    "        usage: {prompt_tokens: 10, completion_tokens: 3}\n";

static char database[64];
static void (*test_body)(struct flow *flow);
static PGconn *sql;
static struct flow *hooked;
static int site_port;

static void must(int r, const struct error *err)
{
    cr_assert_eq(r, 0, "%d %s", r, r < 0 ? err->text : "a condition");
}

static void url_of(const char *name, char *out, size_t size)
{
    const char *url = getenv("DATABASE_URL");

    cr_assert(url && getenv("REDIS_URL"), "run this under tests/lib/with-servers");
    snprintf(out, size, "postgresql:///%s%s", name, strchr(url, '?'));
}

static PGconn *connect_to(const char *name)
{
    char url[1024];
    PGconn *conn;

    url_of(name, url, sizeof(url));
    conn = PQconnectdb(url);
    cr_assert_eq(PQstatus(conn), CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

static void sql_admin(const char *verb, const char *rest)
{
    PGconn *conn = connect_to("postgres");
    char statement[128];
    PGresult *result;

    snprintf(statement, sizeof(statement), "%s DATABASE %s %s", verb, database, rest);
    result = PQexec(conn, statement);
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static PGresult *query(struct flow *flow, const char *statement)
{
    char run[UUID_TEXT_SIZE];
    const char *values[] = {run};
    bool with_run = strstr(statement, "$1");
    PGresult *result;

    uuid_format(flow->run, run);
    result = PQexecParams(sql, statement, with_run, NULL, values, NULL, NULL, 0);
    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK ||
                  PQresultStatus(result) == PGRES_TUPLES_OK,
              "%s: %s", statement, PQerrorMessage(sql));
    return result;
}

void flow_sql(struct flow *flow, const char *statement)
{
    PQclear(query(flow, statement));
}

int64_t flow_sql_int(struct flow *flow, const char *statement)
{
    PGresult *result = query(flow, statement);
    int64_t value;

    cr_assert_eq(PQntuples(result), 1, "%s", statement);
    value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

static struct rehearsal *open_model(const char *yaml, struct script **out_script)
{
    struct rehearsal_options options = {.host = "127.0.0.1"};
    struct rehearsal *model = NULL;
    struct error err;

    must(script_parse("flow", text_of(yaml), out_script, &err), &err);
    options.script = *out_script;
    must(rehearsal_open(&options, &model, &err), &err);
    return model;
}

static struct config *load_config(int model_port)
{
    char base[80];
    char private[80];
    char *environment[] = {base, "OPENAI_API_KEY=rehearsal", private, NULL};
    char database_url[1024];
    struct config_flags flags = {0};
    struct config *config;
    struct error err;

    snprintf(base, sizeof(base), "OPENAI_BASE_URL=http://127.0.0.1:%d/v1", model_port);
    snprintf(private, sizeof(private), "PENSTOCK_PRIVATE_ADDRESSES=127.0.0.1:%d", site_port);
    url_of(database, database_url, sizeof(database_url));
    config_flags_set(&flags, "database_url", "database-url", database_url);
    config_flags_set(&flags, "redis_url", "redis-url", getenv("REDIS_URL"));
    must(config_load(&flags, environment, &config, &err), &err);
    config->worker.port = 0;
    return config;
}

static void open_store(struct flow *flow)
{
    char url[1024];
    struct pg_options options = {.url = url, .application_name = "flow"};
    struct tenant tenant;
    struct error err;

    url_of(database, url, sizeof(url));
    must(pg_open(&options, &flow->store.pg, &err), &err);
    must(pg_wait_ready(flow->store.pg, deadline_in(10000), &err), &err);
    must(migrate_apply(&flow->store, NULL, &err), &err);
    must(tenants_create(&flow->store, TEXT("acme"), &(struct tenant_change){0}, &tenant, &err),
         &err);
    flow->store.tenant = tenant.id;
}

/* The task of the run in work, if `fiber` is its own. */
static struct run_task *task_of(struct flow *flow, const struct fiber *fiber)
{
    struct run_task *task;

    if (!flow->worker || list_empty(&flow->worker->runs))
        return NULL;
    task = CONTAINER_OF(flow->worker->runs.next, struct run_task, link);
    return task->fiber == fiber ? task : NULL;
}

static void on_wait(struct fiber *fiber)
{
    struct run_task *task = task_of(hooked, fiber);

    if (!task || ++hooked->suspensions != hooked->strike_at)
        return;
    hooked->struck = true;
    hooked->strike(hooked, task);
}

static struct uuid make_agent(const struct store *store)
{
    struct agent_draft draft = {.id = uuid_new(), .spec = TEXT("{}")};
    struct agent agent;
    struct error err = {0};

    cr_assert_eq(agents_create(store, &draft, &agent, &err), 0, "%s", err.text);
    return draft.id;
}

static void run_body(void *arg)
{
    struct flow *flow = xcalloc(1, sizeof(*flow));
    struct script *scripts[2] = {NULL, NULL};
    struct rehearsal *site = open_model("rules: [{then: {text: 'x'}}]\n", &scripts[0]);
    struct rehearsal *model;
    char script[sizeof(model_script) + 30];
    struct config *config;
    struct arena arena;
    struct error err;

    (void)arg;
    arena_init(&arena, 0);
    flow->store.arena = &arena;
    site_port = rehearsal_port(site);
    snprintf(script, sizeof(script), model_script, site_port, site_port, site_port);
    model = open_model(script, &scripts[1]);
    config = load_config(rehearsal_port(model));
    open_store(flow);
    flow->agent = make_agent(&flow->store);
    for (size_t i = 0; i < ARRAY_LENGTH(flow->workers); i++)
        must(worker_open(&flow->workers[i], config, &err), &err);
    hooked = flow;
    fiber_on_wait(on_wait);
    test_body(flow);
    fiber_on_wait(NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(flow->workers); i++)
        worker_close(&flow->workers[i]);
    rehearsal_close(model, deadline_in(2000));
    rehearsal_close(site, deadline_in(2000));
    pg_close(flow->store.pg);
    offload_stop();
    config_free(config);
    script_free(scripts[0]);
    script_free(scripts[1]);
    arena_deinit(&arena);
    free(flow);
}

void with_flow(void (*body)(struct flow *flow))
{
    log_init("unit", getenv("FLOW_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_OFF, LOG_FORMAT_LOGFMT);
    snprintf(database, sizeof(database), "flow_%d", (int)getpid());
    sql_admin("CREATE", "");
    sql = connect_to(database);
    test_body = body;
    loop_run(run_body, NULL);
    PQfinish(sql);
    sql_admin("DROP", "WITH (FORCE)");
}

#define SAID(what)                                                                                 \
    TEXT("[{\"type\":\"text\",\"text\":{\"value\":\"" what "\",\"annotations\":[]}}]")

#define FUNCTION                                                                                   \
    ",{\"type\":\"function\",\"function\":{\"name\":\"look_up\",\"parameters\":{\"type\":"         \
    "\"object\"}}}"

void flow_new_run(struct flow *flow)
{
    struct message_draft message = {.id = uuid_new(),
                                    .role = MESSAGE_USER,
                                    .content = flow->leaves ? SAID("leave") : SAID("go")};
    struct thread_draft thread = {.id = uuid_new(), .messages = &message, .message_count = 1};
    char spec[500];
    struct run_draft draft = {
        .id = uuid_new(),
        .agent = flow->agent,
        .agent_version = 1,
        .priority = RUN_PRIORITY_NORMAL,
        .expires_in_ms = 600000,
    };
    struct run run;
    struct error err;

    snprintf(spec, sizeof(spec),
             "{\"model\":\"openai/m\",\"max_iterations\":%d,\"tools\":[{\"type\":\"calculator\"},"
             "{\"type\":\"http_request\"}%s],\"http_allow\":[\"127.0.0.1:%d\"]%s}",
             flow->max_iterations, flow->leaves ? FUNCTION : "", site_port,
             flow->leaves ? ",\"client_calls\":\"end\"" : "");
    draft.spec = text_of(spec);
    must(runs_create_with_thread(&flow->store, &thread, &draft, &run, &err), &err);
    flow->run = draft.id;
}

/* As the watch does it. */
static void cancel(struct flow *flow)
{
    struct run_index index;
    struct run_task *task;
    struct run run;
    struct error err;
    int r = runs_cancel(&flow->store, (struct uuid){{0}}, flow->run, &run, &err);

    cr_assert(r == 0 || r == RUN_ENDED, "%d %s", r, err.text);
    run_index_init(&index, flow->worker);
    task = run_index_find(&index, flow->run);
    if (task)
        run_stop(task, RUN_STOP_CANCEL);
    run_index_deinit(&index);
}

void flow_attempt(struct flow *flow, struct worker *worker, int at, flow_strike_fn strike)
{
    int64_t deadline_ms = deadline_in(ATTEMPT_MS);
    struct run_claim_list claims;
    struct histories histories;
    struct error err = {0};

    must(run_leases_claim_read(worker->pg, flow->store.arena, worker->id, &flow->run, 1, &claims,
                               &histories, &err),
         &err);
    cr_assert_eq(claims.count, 1);
    flow->strike_at = at;
    flow->strike = strike;
    flow->suspensions = 0;
    flow->struck = false;
    flow->cancel_wanted = false;
    flow->worker = worker;
    kinds_start(worker, &claims.items[0], &histories);
    histories_deinit(&histories);
    while (worker->busy > 0) {
        must(cond_wait(&worker->changed, deadline_ms, &err), &err);
        if (flow->cancel_wanted) {
            flow->cancel_wanted = false;
            cancel(flow);
        }
    }
    flow->worker = NULL;
}

static void check_fibers(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *dump = open_memstream(&text, &size);

    fiber_yield(); /* the run's fiber ends behind what it told us */
    loop_dump(dump);
    fclose(dump);
    cr_assert_null(strstr(text, "\n  run "), "%s", text);
    cr_assert_null(strstr(text, "\n  tool "), "%s", text);
    free(text);
}

static void check_completed(struct flow *flow)
{
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"),
                 FLOW_MESSAGES);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs r JOIN messages m"
                                    " ON m.id = r.result_message AND m.run_id = r.id"
                                    " WHERE r.id = $1 AND penstock_text(m.content) = 'It is 2.'"),
                 1);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE run_id = $1"
                                    " AND state = 'done' AND NOT is_error"),
                 4);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM run_steps WHERE run_id = $1"
                                    " AND status = 'completed'"),
                 FLOW_MODEL_CALLS);
}

/* Its reply with its text, the two results of the server, and nothing that is open. */
static void check_left(struct flow *flow)
{
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"), 3);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"
                                    " AND penstock_text(content) = 'Let me see.' AND NOT hidden"
                                    " AND jsonb_array_length(tool_calls) = 3"),
                 1);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE run_id = $1"
                                    " AND CASE name WHEN 'look_up'"
                                    "     THEN state = 'left' AND result IS NULL"
                                    "     ELSE state = 'done' AND NOT is_error END"),
                 3);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM run_steps s, jsonb_array_elements("
                                    "     s.tool_calls) c WHERE run_id = $1"
                                    " AND s.status = 'completed'"
                                    " AND (c #>> '{function,name}' = 'look_up')"
                                    "     = (c #>> '{function,output}' IS NULL)"),
                 3);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM run_steps WHERE run_id = $1"), 2);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE id = $1 AND open_calls = 0"
                                    " AND result_message IS NULL AND required_action IS NULL"
                                    " AND cardinality(tools_used) = 3"),
                 1);
}

enum run_status flow_check(struct flow *flow)
{
    enum run_status status;
    struct run run;
    struct error err;

    must(runs_get(&flow->store, (struct uuid){{0}}, flow->run, &run, &err), &err);
    status = run.status;
    check_fibers();
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) - coalesce(max(seq), 0) FROM messages"
                                    " WHERE run_id = $1"),
                 0, "a message is missing");
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) - count(DISTINCT tool_call_id) FROM messages"
                                    " WHERE run_id = $1 AND role = 'tool'"),
                 0, "a result is there twice");
    if (run_status_terminal(status))
        cr_assert_eq(flow_sql_int(flow, "SELECT (SELECT count(*) FROM threads"
                                        "   WHERE active_run = $1)"
                                        " + (SELECT count(*) FROM run_steps WHERE run_id = $1"
                                        "   AND status = 'in_progress')"),
                     0, "the thread or a step is left open");
    if (status == RUN_COMPLETED && flow->leaves)
        check_left(flow);
    else if (status == RUN_COMPLETED)
        check_completed(flow);
    return status;
}

/* As the page of metrics says, of all models. */
static int64_t tokens_of(const struct worker *worker)
{
    static const char name[] = "\npenstock_worker_input_tokens_total{";
    CLEANUP(buf_deinit) struct buf page;
    int64_t sum = 0;

    buf_init(&page, 0);
    metric_table_render(&call_stats_table, worker->calls, &page);
    for (const char *at = buf_string(&page); (at = strstr(at, name));) {
        at = strstr(at + 1, "} ");
        sum += strtoll(at + 2, NULL, 10);
    }
    return sum;
}

int64_t flow_tokens_used(const struct flow *flow)
{
    return tokens_of(&flow->workers[0]) + tokens_of(&flow->workers[1]);
}
