/* `penstock doctor`: looks at everything that Penstock stands on, one line each: ok, warn or fail,
 * and what to do. Judging what was found (doctor_judge.c) is apart from finding it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "providers/models/registry.h"
#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"
#include "scheduler/cli/doctor/doctor_judge.h"
#include "scheduler/cli/doctor/doctor_mcp.h"
#include "scheduler/cli/doctor/doctor_tools.h"
#include "scheduler/cli/doctor/doctor_unattended.h"
#include "scheduler/cli/doctor/doctor_vectors.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/providers/provider_facts.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/http_client/http_client.h"
#include "shared/postgres/postgres.h"
#include "shared/program/telemetry.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"
#include "shared/store/dispatch/dispatch.h"
#include "shared/store/fleet/workers.h"
#include "shared/store/migrate.h"
#include "shared/store/retention/sweeps.h"

#define READY_MS   3000
#define REQUEST_MS 5000

struct doctor {
    const struct config *config;
    const char *file; /* as it was named; NULL: it was not */
    const struct provider_registry *registry;
    struct http_client *http;
    bool failed;
};

static void say(struct doctor *doctor, const char *name, struct doctor_finding finding)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    static const enum terminal_colour colours[] = {TERMINAL_GREEN, TERMINAL_YELLOW, TERMINAL_RED};

    doctor->failed = doctor->failed || finding.verdict == DOCTOR_FAIL;
    printf("%s%-4s%s  %-18s ", terminal_colour(stdout, colours[finding.verdict]),
           words[finding.verdict], terminal_colour(stdout, TERMINAL_PLAIN), name);
    terminal_print_line(stdout, text_of(finding.text), 400);
    printf("\n");
    (void)fflush(stdout);
}

static void check_postgres_facts(struct doctor *doctor, struct pg *pg)
{
    /* clang-format off */
    static const struct pg_statement facts = {
        .name = "doctor_facts",
        .sql =
            "SELECT current_setting('server_version_num')::int8,"
            "     (extract(epoch FROM clock_timestamp()) * 1000)::int8,"
            "     (SELECT sum(numbackends) FROM pg_stat_database)::int8,"
            "     current_setting('max_connections')::int8"
            "         - current_setting('superuser_reserved_connections')::int8",
        .types = "",
    };
    /* clang-format on */
    struct pg_result *result = NULL;
    struct error err;
    int64_t before_ms = clock_wall_ms();

    if (pg_exec(pg, &facts, NULL, &result, &err) < 0) {
        say(doctor, "postgres", doctor_failed("%s", err.text));
        return;
    }
    say(doctor, "postgres", doctor_judge_postgres(pg_get_int(result, 0, 0)));
    say(doctor, "postgres clock",
        doctor_judge_clock(pg_get_int(result, 0, 1) - (before_ms + clock_wall_ms()) / 2));
    say(doctor, "postgres links",
        doctor_judge_connections(pg_get_int(result, 0, 2), pg_get_int(result, 0, 3)));
    pg_result_free(result);
}

/* Returns whether it is what the programs need. */
static bool check_schema(struct doctor *doctor, struct pg *pg)
{
    struct arena arena;
    struct store store = {.pg = pg, .arena = &arena};
    struct migrate_status status = {.pending = 1};
    struct error err;

    arena_init(&arena, 0);
    if (migrate_status(&store, &status, &err) < 0)
        say(doctor, "schema", doctor_failed("%s", err.text));
    else if (status.pending > 0)
        say(doctor, "schema",
            doctor_failed("version %d of %d: run `penstock migrate`", status.applied,
                          status.known));
    else
        say(doctor, "schema", doctor_ok("version %d", status.applied));
    arena_deinit(&arena);
    return status.pending == 0;
}

/* As this environment has them, which need not be that of the workers. Where none is named there is
 * nothing to say. */
static void check_groups(struct doctor *doctor)
{
    const char *groups = doctor->config->code_interpreter.cgroups;
    char bad[200];

    if (!*groups)
        return;
    doctor_groups_look(groups, bad);
    say(doctor, "control groups", doctor_judge_groups(groups, bad));
}

static void check_workers(struct doctor *doctor, struct pg *pg)
{
    struct dispatch_counts counts;
    struct workers_code code;
    struct error err;

    if (dispatch_count(pg, &counts, &err) < 0)
        say(doctor, "workers", doctor_failed("%s", err.text));
    else
        say(doctor, "workers", doctor_judge_workers(counts.workers_up, counts.slots));
    if (workers_ask_code(pg, &code, &err) < 0)
        return;
    say(doctor, "code interpreter", doctor_judge_code(&code));
    check_groups(doctor);
}

static NOINLINE void check_tools(struct doctor *doctor, struct pg *pg)
{
    struct doctor_secrets secrets;
    struct doctor_tools tools;
    struct error err;

    if (doctor_secrets_look(pg, doctor->config, &secrets, &err) < 0)
        say(doctor, "secrets", doctor_failed("%s", err.text));
    else
        say(doctor, "secrets", doctor_judge_secrets(&secrets));
    if (doctor_tools_look(pg, &tools, &err) < 0)
        say(doctor, "tools", doctor_failed("%s", err.text));
    else
        say(doctor, "tools", doctor_judge_tools(&tools));
}

static NOINLINE void check_retention(struct doctor *doctor, struct pg *pg)
{
    struct retention_state state;
    struct error err;

    if (retention_state(pg, &state, &err) < 0)
        say(doctor, "retention", doctor_failed("%s", err.text));
    else
        say(doctor, "retention", doctor_judge_retention(state.policies, state.lag_s));
}

/* Nothing is said of what is not used. */
static NOINLINE void check_unattended(struct doctor *doctor, struct pg *pg)
{
    struct doctor_unattended found;
    struct error err;

    if (doctor_unattended_look(pg, &found, &err) < 0) {
        say(doctor, "webhooks", doctor_failed("%s", err.text));
        return;
    }
    if (found.webhooks > 0)
        say(doctor, "webhooks", doctor_judge_webhooks(&found));
    if (found.schedules > 0)
        say(doctor, "schedules", doctor_judge_schedules(&found));
}

static void check_postgres(struct doctor *doctor)
{
    const struct pg_options options = {
        .url = doctor->config->database_url,
        .application_name = "penstock doctor",
        .pool_size = 1,
        .statement_timeout_ms = REQUEST_MS,
        .request_timeout_ms = REQUEST_MS,
    };
    struct pg *pg = NULL;
    struct error err;
    int r = pg_open(&options, &pg, &err);

    if (r == 0)
        r = pg_wait_ready(pg, deadline_in(READY_MS), &err);
    if (r < 0) {
        say(doctor, "postgres",
            doctor_failed("%s; is it running, and is DATABASE_URL right?", err.text));
    } else {
        check_postgres_facts(doctor, pg);
        if (check_schema(doctor, pg)) {
            check_workers(doctor, pg);
            check_retention(doctor, pg);
            check_unattended(doctor, pg);
            check_tools(doctor, pg);
        }
    }
    pg_close(pg);
}

/* The value of "name:value" in what INFO replies. */
static bool info_value(struct text info, const char *name, char *out, size_t size)
{
    struct text line;
    bool more = true;

    while (more) {
        struct text key;
        struct text value;

        more = text_cut(info, '\n', &line, &info);
        line = text_trim(more ? line : info);
        if (text_cut(line, ':', &key, &value) && text_is(key, name)) {
            (void)snprintf(out, size, "%.*s", TEXT_ARGS(value));
            return true;
        }
    }
    return false;
}

static void check_redis_clock(struct doctor *doctor, struct redis *redis)
{
    const struct text command[] = {TEXT("TIME")};
    redisReply *reply = NULL;
    int64_t before_ms = clock_wall_ms();
    int64_t seconds;
    int64_t micros;

    if (redis_command(redis, command, ARRAY_LENGTH(command), &reply, NULL) < 0)
        return;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        text_to_int(redis_reply_text(reply->element[0]), &seconds) &&
        text_to_int(redis_reply_text(reply->element[1]), &micros))
        say(doctor, "redis clock",
            doctor_judge_clock(seconds * 1000 + micros / 1000 - (before_ms + clock_wall_ms()) / 2));
    redis_reply_free(reply);
}

static void check_redis_facts(struct doctor *doctor, struct redis *redis)
{
    const struct text command[] = {TEXT("INFO")};
    redisReply *reply = NULL;
    char version[32] = "";
    char policy[32] = "";
    char limit[32] = "0";
    struct error err;

    if (redis_command(redis, command, ARRAY_LENGTH(command), &reply, &err) < 0) {
        say(doctor, "redis", doctor_failed("%s", err.text));
        return;
    }
    (void)info_value(redis_reply_text(reply), "redis_version", version, sizeof(version));
    (void)info_value(redis_reply_text(reply), "maxmemory_policy", policy, sizeof(policy));
    (void)info_value(redis_reply_text(reply), "maxmemory", limit, sizeof(limit));
    redis_reply_free(reply);
    say(doctor, "redis", doctor_judge_redis(version));
    say(doctor, "redis memory", doctor_judge_eviction(policy, strcmp(limit, "0") != 0));
    check_redis_clock(doctor, redis);
}

/* What hinting needs, which a Redis that answers may refuse all the same. */
static void check_redis_hints(struct doctor *doctor, struct redis *redis)
{
    struct queue *queue = queue_new(redis);
    struct error err = {0};
    int r = queue_probe(queue, &err);

    say(doctor, "redis hints",
        doctor_judge_hints(r == 0 ? NULL : redis_state_word(queue_state(queue)), err.text));
    queue_free(queue);
}

static void check_redis(struct doctor *doctor)
{
    const struct redis_options options = {.url = doctor->config->redis_url,
                                          .command_timeout_ms = REQUEST_MS};
    struct redis *redis = NULL;
    struct error err;
    int r = redis_open(&options, &redis, &err);

    if (r == 0)
        r = redis_wait_ready(redis, deadline_in(READY_MS), &err);
    if (r < 0)
        say(doctor, "redis", doctor_failed("%s; is it running, and is REDIS_URL right?", err.text));
    if (r == 0) {
        check_redis_facts(doctor, redis);
        check_redis_hints(doctor, redis);
    }
    redis_close(redis);
}

/* GET url; returns the status, or 0 with *err. */
static int get_status(struct doctor *doctor, const char *url, const struct http_header *headers,
                      size_t headers_count, struct error *err)
{
    const struct http_call call = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .headers_count = headers_count,
        .connect_timeout_ms = READY_MS,
        .total_timeout_ms = REQUEST_MS,
    };
    struct http_response response = {0};
    int r = http_call(doctor->http, &call, &response, err);
    int status = r < 0 ? 0 : response.status;

    http_response_deinit(&response);
    return status;
}

static int get_status_with_key(struct doctor *doctor, const char *url,
                               const struct doctor_probe *probe, const char *key, struct error *err)
{
    CLEANUP(freep) char *value = xasprintf("%s%s", probe->key_scheme, key);
    const struct http_header headers[] = {
        {text_of(probe->key_header), text_of(value)},
        {text_of(probe->version_header), text_of(probe->version)},
    };

    return get_status(doctor, url, headers, probe->version_header ? 2 : 1, err);
}

static void check_server(struct doctor *doctor)
{
    struct client_settings settings;
    CLEANUP(freep) char *ready = NULL;
    CLEANUP(freep) char *list = NULL;
    struct error err;
    int r = client_settings_read(&settings, &err);
    int status = 0;

    if (settings.url) {
        ready = xasprintf("%s/readyz", settings.url);
        status = get_status(doctor, ready, NULL, 0, &err);
        say(doctor, "scheduler",
            doctor_judge_server(settings.url, settings.origin, status, err.text));
    }
    if (r < 0) {
        say(doctor, "api key", doctor_warning("%s", err.text));
    } else if (status == 200) {
        list = xasprintf("%s/v1/assistants?limit=1", settings.url);
        status = get_status_with_key(doctor, list, doctor_probe_of("openai_chat"), settings.api_key,
                                     &err);
        if (status == 200)
            say(doctor, "api key", doctor_ok("it is accepted"));
        else
            say(doctor, "api key",
                doctor_failed("it is refused (%d): make one with `penstock keys create`", status));
    }
    client_settings_deinit(&settings);
}

static void check_key(struct doctor *doctor, const struct config_provider *provider,
                      const char *name, const char *key)
{
    const struct doctor_probe *probe = doctor_probe_of(provider->kind);
    CLEANUP(freep) char *url = xasprintf("%s%s", provider->base_url, probe->path);
    struct error err = {0};
    int status = get_status_with_key(doctor, url, probe, key, &err);

    say(doctor, name, doctor_judge_provider(provider->base_url, probe, status, err.text));
}

static void check_provider(struct doctor *doctor, const struct config_provider *provider)
{
    CLEANUP(freep) char *name = xasprintf("provider %.40s", provider->name);

    if (provider->native_state == CONFIG_ON)
        say(doctor, name, doctor_ok("native_state: what runs exchange with it is stored there"));
    if (*provider->api_key)
        check_key(doctor, provider, name, provider->api_key);
    for (unsigned i = 0; i < provider->api_keys_count; i++) {
        CLEANUP(freep) char *of_key = xasprintf("%s, api_keys[%u]", name, i);

        if (*provider->api_keys[i])
            check_key(doctor, provider, of_key, provider->api_keys[i]);
    }
}

static void check_search(struct doctor *doctor)
{
    say(doctor, "web search", doctor_judge_search(doctor->config));
}

/* Where there are none there is nothing to say. */
static void check_mcp(struct doctor *doctor)
{
    CLEANUP(buf_deinit) struct buf said = {0};
    struct error err;

    if (doctor->config->mcp_servers_count == 0)
        return;
    buf_init(&said, (size_t)256 << 10);
    if (doctor_mcp_ask(doctor->file, &said, &err) < 0) {
        say(doctor, "mcp servers", doctor_warning("%s", err.text));
        return;
    }
    for (unsigned i = 0; i < doctor->config->mcp_servers_count; i++) {
        const char *label = doctor->config->mcp_servers[i].label;
        CLEANUP(freep) char *name = xasprintf("mcp %s", label);

        say(doctor, name, doctor_judge_mcp(buf_text(&said), label));
    }
}

static void check_machine(struct doctor *doctor)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    struct rlimit limit = {0};
    int64_t maps = 0;

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    say(doctor, "descriptors",
        doctor_judge_descriptors(limit.rlim_max == RLIM_INFINITY ? INT64_MAX
                                                                 : (int64_t)limit.rlim_max));
    buf_init(&text, 4096);
    if (file_read("/proc/sys/vm/max_map_count", &text, NULL) == 0 &&
        text_to_int(text_trim(buf_text(&text)), &maps))
        say(doctor, "memory maps", doctor_judge_maps(maps));
}

/* One that is in use and can't be called. */
static void check_missing_key(struct doctor *doctor, unsigned index)
{
    const struct provider_facts facts = provider_facts_of(doctor->registry, index);
    CLEANUP(freep) char *name = xasprintf("provider %.40s", facts.target.provider_name);

    if (provider_facts_misses_key(&facts))
        say(doctor, name,
            doctor_warning("it has no API key in this environment: set %.60s, or api_key of the "
                           "provider in the configuration file",
                           facts.target.key_variable));
}

static void check_providers(struct doctor *doctor)
{
    bool any = false;

    for (unsigned i = 0; i < doctor->config->providers_count; i++) {
        any = any || *doctor->config->providers[i].api_key ||
              doctor->config->providers[i].api_keys_count > 0;
        check_provider(doctor, &doctor->config->providers[i]);
        check_missing_key(doctor, i);
    }
    if (!any)
        say(doctor, "providers",
            doctor_warning("none has a key in this environment, which need not be that of the "
                           "workers: set OPENAI_API_KEY or another provider's"));
}

/* Where telemetry is off there is nothing to say. */
static void check_telemetry(struct doctor *doctor)
{
    struct error err;
    int r = telemetry_try(doctor->config, &err);

    if (r == 0)
        say(doctor, "telemetry", doctor_ok("the collector takes traces"));
    else if (r < 0)
        say(doctor, "telemetry",
            doctor_warning("%.200s: traces are dropped; is the collector's endpoint right?",
                           err.text));
}

static void check_vectors(struct doctor *doctor)
{
    if (doctor_vectors_are_said(doctor->registry))
        say(doctor, "vectors", doctor_judge_vectors(doctor->registry));
}

static void (*const checks[])(struct doctor *doctor) = {
    check_postgres, check_redis,     check_server,  check_providers, check_search,
    check_mcp,      check_telemetry, check_vectors, check_machine,
};

static int examine(void *arg)
{
    struct doctor *doctor = arg;
    struct error err;

    if (http_client_open(NULL, &doctor->http, &err) < 0)
        return command_fail(&err);
    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++)
        checks[i](doctor);
    http_client_close(doctor->http);
    return doctor->failed ? COMMAND_FAILED : COMMAND_OK;
}

static int run(const struct arguments *args)
{
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP(provider_registry_freep) struct provider_registry *registry = NULL;
    struct doctor doctor = {0};
    struct error err;
    int result;

    result = command_load_config(arguments_get(args, "config"), &config);
    if (result != COMMAND_OK) {
        say(&doctor, "configuration", doctor_failed("it can't be read; see above"));
        return result;
    }
    if (provider_registry_new(config, &registry, &err) < 0) {
        say(&doctor, "configuration", doctor_failed("%s", err.text));
        return COMMAND_USAGE;
    }
    say(&doctor, "configuration",
        doctor_ok("%u providers, %u models", config->providers_count, config->models_count));
    doctor.config = config;
    doctor.file = arguments_get(args, "config");
    doctor.registry = registry;
    return command_on_loop(examine, &doctor);
}

static const struct option_spec options[] = {
    {"config", 'c', "FILE", "the configuration file (default: PENSTOCK_CONFIG)", 0, 0},
};

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "Check configuration, Postgres, Redis, server, key, providers and machine",
    .details = "Of providers it asks for the list of their models, which costs nothing; `penstock\n"
               "providers test` calls models.\n"
               "Exit code: 0 nothing fails, 1 something does, 2 the configuration is wrong.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
