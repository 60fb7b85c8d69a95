/* Verdicts, with what to do. The limits are those the documentation of operations names. */

#include "scheduler/cli/doctor/doctor_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/config/config.h"
#include "shared/store/fleet/workers.h"

#define POSTGRES_MIN    150000
#define CONNECTIONS_MIN 10 /* free ones: what two programs keep, and one more each for a moment */
#define DESCRIPTORS_MIN 20000
#define MAPS_MIN        65530
#define CLOCK_MAX_MS    1000
#define RETENTION_LAG_S (24 * 3600)
#define REDIS_MIN_MAJOR 6
#define REDIS_MIN_MINOR 2
#define FINDING(verdict_)                                                                          \
    {                                                                                              \
        .verdict = (verdict_)                                                                      \
    }
#define FILL(finding, format)                                                                      \
    do {                                                                                           \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, format);                                                                    \
        (void)vsnprintf((finding).text, sizeof((finding).text), format, args);                     \
        va_end(args);                                                                              \
    } while (0)

struct doctor_finding doctor_ok(const char *format, ...)
{
    struct doctor_finding finding = FINDING(DOCTOR_OK);

    FILL(finding, format);
    return finding;
}

struct doctor_finding doctor_warning(const char *format, ...)
{
    struct doctor_finding finding = FINDING(DOCTOR_WARN);

    FILL(finding, format);
    return finding;
}

struct doctor_finding doctor_failed(const char *format, ...)
{
    struct doctor_finding finding = FINDING(DOCTOR_FAIL);

    FILL(finding, format);
    return finding;
}

struct doctor_finding doctor_judge_postgres(int64_t version)
{
    if (version < POSTGRES_MIN)
        return doctor_failed("PostgreSQL %lld.%lld is too old: 15 or later is needed",
                             (long long)(version / 10000), (long long)(version % 10000));
    return doctor_ok("PostgreSQL %lld.%lld", (long long)(version / 10000),
                     (long long)(version % 10000));
}

struct doctor_finding doctor_judge_connections(int64_t open, int64_t max)
{
    if (max - open < CONNECTIONS_MIN)
        return doctor_warning(
            "%lld of at most %lld connections are open: each scheduler and worker "
            "keeps up to ten, and takes another for a moment; raise max_connections",
            (long long)open, (long long)max);
    return doctor_ok("%lld of at most %lld connections are open", (long long)open, (long long)max);
}

struct doctor_finding doctor_judge_redis(const char *version)
{
    int major = 0;
    int minor = 0;

    if (sscanf(version, "%d.%d", &major, &minor) != 2)
        return doctor_warning("it does not tell its version; 6.2 or later is needed");
    if (major < REDIS_MIN_MAJOR || (major == REDIS_MIN_MAJOR && minor < REDIS_MIN_MINOR))
        return doctor_failed("Redis %.20s is too old: 6.2 or later is needed", version);
    return doctor_ok("Redis %.20s", version);
}

struct doctor_finding doctor_judge_eviction(const char *policy, bool has_limit)
{
    if (!*policy || strcmp(policy, "noeviction") == 0)
        return doctor_ok("%.30s", *policy ? policy : "no policy told");
    if (!has_limit)
        return doctor_ok("no limit is set (policy %.30s)", policy);
    return doctor_warning(
        "maxmemory-policy is %.30s: Redis may drop hints and rate limits, and runs "
        "start late; set maxmemory-policy noeviction",
        policy);
}

struct doctor_finding doctor_judge_hints(const char *state, const char *error)
{
    if (!state)
        return doctor_ok("it takes them");
    return doctor_failed("it %.30s: %.140s; work goes on from Postgres, more slowly", state, error);
}

struct doctor_finding doctor_judge_workers(int64_t up, int64_t slots)
{
    if (up == 0)
        return doctor_failed("no worker is up, so runs stay queued: start penstock-worker");
    return doctor_ok("%lld up, with %lld slots", (long long)up, (long long)slots);
}

struct doctor_finding doctor_judge_retention(int64_t policies, int64_t lag_s)
{
    if (policies == 0)
        return doctor_ok("nothing is said: all threads and runs are kept");
    if (lag_s > RETENTION_LAG_S)
        return doctor_warning("what was due %lld hours ago is not gone yet: is a scheduler with "
                              "the role retention up, and is Postgres fast enough?",
                              (long long)(lag_s / 3600));
    return doctor_ok("what was due %lld minutes ago is gone", (long long)(lag_s / 60));
}

struct doctor_finding doctor_judge_code(const struct workers_code *said)
{
    if (said->can > 0 && said->cannot > 0)
        return doctor_warning("%lld workers can run programs of models, %lld can't: %s",
                              (long long)said->can, (long long)said->cannot, said->trouble);
    if (said->can > 0)
        return doctor_ok("programs of models can be run");
    if (said->cannot > 0)
        return doctor_warning("no worker can run programs of models (code_interpreter): %s",
                              said->trouble);
    return doctor_ok("no worker has said yet whether it can run programs of models");
}

struct doctor_finding doctor_judge_search(const struct config *config)
{
    CLEANUP(buf_deinit) struct buf names = {0};

    if (config->web_search_count == 0)
        return doctor_ok("no search engine is configured, so no agent can have web_search");
    buf_init(&names, 0);
    for (unsigned i = 0; i < config->web_search_count; i++) {
        const struct config_search_engine *engine = &config->web_search[i];
        char *key = NULL;
        struct error err;

        if (config_search_key(engine, &key, &err) < 0)
            return doctor_failed("%.200s", err.text);
        explicit_bzero(key, strlen(key));
        free(key);
        buf_printf(&names, "%s%s (%s)", i ? ", then " : "", engine->name, engine->kind);
    }
    return doctor_ok("%.200s", buf_string(&names));
}

struct doctor_finding doctor_judge_clock(int64_t ahead_ms)
{
    if (llabs(ahead_ms) > CLOCK_MAX_MS)
        return doctor_warning("it is %.1f s %s this machine's: keep clocks in step with NTP",
                              (double)llabs(ahead_ms) / 1000, ahead_ms > 0 ? "ahead of" : "behind");
    return doctor_ok("within %lld ms of this machine's", (long long)llabs(ahead_ms));
}

struct doctor_finding doctor_judge_descriptors(int64_t hard_limit)
{
    if (hard_limit < DESCRIPTORS_MIN)
        return doctor_warning("%lld at most: a thousand runs at once may need more; raise it "
                              "(LimitNOFILE=, ulimit -Hn) to %d",
                              (long long)hard_limit, DESCRIPTORS_MIN);
    if (hard_limit == INT64_MAX)
        return doctor_ok("no limit");
    return doctor_ok("%lld", (long long)hard_limit);
}

struct doctor_finding doctor_judge_maps(int64_t max_map_count)
{
    if (max_map_count < MAPS_MIN)
        return doctor_warning("vm.max_map_count is %lld: each run takes two; set it to %d or more "
                              "(sysctl -w vm.max_map_count=262144)",
                              (long long)max_map_count, MAPS_MIN);
    return doctor_ok("vm.max_map_count is %lld", (long long)max_map_count);
}

struct doctor_finding doctor_judge_server(const char *url, const char *origin, int status,
                                          const char *error)
{
    if (status == 200)
        return doctor_ok("%.80s is ready", url);
    if (status == 0)
        return doctor_failed("%.80s (%.60s) can't be reached: %.100s; start penstock-scheduler",
                             url, origin, error);
    if (status == 503)
        return doctor_failed("%.80s runs, but is not ready: look at its log, and at Postgres", url);
    return doctor_failed("%.80s (%.60s) answers %d on /readyz: is it Penstock?", url, origin,
                         status);
}

/* A kind that asks otherwise than OpenAI gets a row. Google takes a wrong key for a bad request. */
static const struct doctor_probe probes[] = {
    {"openai_chat", "/models", "Authorization", "Bearer ", NULL, NULL, 0},
    {"anthropic", "/models", "x-api-key", "", "anthropic-version", "2023-06-01", 0},
    {"gemini", "/models", "x-goog-api-key", "", NULL, NULL, 400},
    {"ollama", "/api/tags", "Authorization", "Bearer ", NULL, NULL, 0},
};

const struct doctor_probe *doctor_probe_of(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(probes); i++)
        if (strcmp(probes[i].kind, kind) == 0)
            return &probes[i];
    return &probes[0];
}

struct doctor_finding doctor_judge_provider(const char *base_url, const struct doctor_probe *probe,
                                            int status, const char *error)
{
    if (status >= 200 && status < 300)
        return doctor_ok("%.100s accepts the key", base_url);
    if (status == 401 || status == 403 || (status > 0 && status == probe->refused))
        return doctor_failed("%.100s refuses the key (%d): check it", base_url, status);
    if (status == 0)
        return doctor_warning("%.100s can't be reached: %.150s", base_url, error);
    return doctor_warning("%.100s answers %d on %s; runs may still work", base_url, status,
                          probe->path);
}
