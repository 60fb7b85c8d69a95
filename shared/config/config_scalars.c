/* Settings that are one value: a table says for each its default, its place in the file, its
 * variable, and what is right. The value of a later source replaces that of an earlier one.
 *
 * A new setting is a field of struct config, one line here, and (for the file) one in the schema of
 * config_schema.c.
 */

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

enum setting_type { SETTING_STRING, SETTING_INT, SETTING_INT64, SETTING_LEVEL, SETTING_FORMAT };

/* What a program that runs makes of a new value. */
enum setting_reload {
    RELOAD_NOT,      /* it needs a new start */
    RELOAD_NUMBER,   /* it is read each time that it is needed: a new value holds from then on */
    RELOAD_REGISTRY, /* providers/models/registry_reload.h takes it over */
};

struct setting {
    const char *path;     /* in the file */
    const char *variable; /* NULL: none */
    enum setting_type type;
    size_t offset;      /* in struct config */
    size_t file_offset; /* in struct config_file_data: of a char * or an int64_t * */
    const char *text_default;
    const char *(*check)(const char *value);
    int64_t number_default;
    int64_t min;
    int64_t max;
    enum setting_reload reload;
};

#define PLACES(member) offsetof(struct config, member), offsetof(struct config_file_data, member)
#define TEXT_SETTING(member, variable, otherwise, check)                                           \
    {                                                                                              \
#member, variable, SETTING_STRING, PLACES(member), otherwise, check, 0, 0, 0, RELOAD_NOT   \
    }
#define NUMBER_SETTING_(type, member, variable, otherwise, min, max, reload)                       \
    {                                                                                              \
#member, variable, type, PLACES(member), NULL, NULL, otherwise, min, max, reload           \
    }
#define NUMBER_SETTING(type, member, variable, otherwise, min, max)                                \
    NUMBER_SETTING_(type, member, variable, otherwise, min, max, RELOAD_NOT)
#define LIVE_SETTING(type, member, variable, otherwise, min, max)                                  \
    NUMBER_SETTING_(type, member, variable, otherwise, min, max, RELOAD_NUMBER)

#define SECOND_MS ((int64_t)1000)
#define HOUR_MS   (3600 * SECOND_MS)
#define MEGABYTE  ((int64_t)1000000)

static const struct setting settings[] = {
    TEXT_SETTING(database_url, "DATABASE_URL", "postgresql:///penstock", config_check_database_url),
    TEXT_SETTING(redis_url, "REDIS_URL", "redis://127.0.0.1:6379", config_check_redis_url),
    {"log.level", "PENSTOCK_LOG_LEVEL", SETTING_LEVEL, offsetof(struct config, log_level),
     offsetof(struct config_file_data, log.level), "info", NULL, 0, 0, 0, RELOAD_NUMBER},
    {"log.format", "PENSTOCK_LOG_FORMAT", SETTING_FORMAT, offsetof(struct config, log_format),
     offsetof(struct config_file_data, log.format), "logfmt", NULL, 0, 0, 0, RELOAD_NUMBER},
    {"default_provider", "PENSTOCK_DEFAULT_PROVIDER", SETTING_STRING, PLACES(default_provider), "",
     NULL, 0, 0, 0, RELOAD_REGISTRY},
    {"memory.embedding_model", "PENSTOCK_EMBEDDING_MODEL", SETTING_STRING,
     PLACES(memory.embedding_model), "builtin/hashed-words-1", config_check_name, 0, 0, 0,
     RELOAD_REGISTRY},
    NUMBER_SETTING(SETTING_INT64, memory.learn_after_ms, "PENSTOCK_LEARN_AFTER_MS", 60000, 0,
                   24 * HOUR_MS),
    NUMBER_SETTING(SETTING_INT, shards, "PENSTOCK_SHARDS", 1, 1, 100),

    TEXT_SETTING(scheduler.host, "PENSTOCK_HOST", "127.0.0.1", config_check_host),
    NUMBER_SETTING(SETTING_INT, scheduler.port, "PENSTOCK_PORT", 8080, 0, 65535),
    TEXT_SETTING(scheduler.roles, "PENSTOCK_ROLES",
                 "api,dispatch,reap,batches,clock,outbox,retention", config_check_roles),
    TEXT_SETTING(scheduler.metrics, "PENSTOCK_METRICS", "on", config_check_metrics),
    TEXT_SETTING(scheduler.search, "PENSTOCK_SEARCH", "users", config_check_search),
    TEXT_SETTING(scheduler.mcp_origins, "PENSTOCK_MCP_ORIGINS", "", NULL),
    LIVE_SETTING(SETTING_INT64, scheduler.drain_ms, NULL, 20 * SECOND_MS, 0, HOUR_MS),
    NUMBER_SETTING(SETTING_INT64, scheduler.run_ttl_ms, NULL, 24 * HOUR_MS, SECOND_MS,
                   365 * 24 * HOUR_MS),
    NUMBER_SETTING(SETTING_INT64, scheduler.max_body_bytes, NULL, 4 << 20, 1024, 256 << 20),
    NUMBER_SETTING(SETTING_INT64, scheduler.max_connections, NULL, 30000, 1, 1000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.waiting_requests, NULL, 20000, 0, 1000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.response_wait_ms, NULL, 590 * SECOND_MS, 100,
                   3600 * SECOND_MS),
    NUMBER_SETTING(SETTING_INT64, scheduler.stream_readers, NULL, 20000, 0, 1000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.tenant_places_percent, NULL, 50, 1, 100),
    NUMBER_SETTING(SETTING_INT64, scheduler.tenant_schedules, NULL, 10000, 1, 1000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.tenant_budgets, NULL, 100000, 1, 10000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.key_sockets, NULL, 2000, 0, 1000000),
    NUMBER_SETTING(SETTING_INT64, scheduler.gateway_calls, NULL, 1000, 0, 100000),
    NUMBER_SETTING(SETTING_INT64, scheduler.gateway_wait_ms, NULL, 60 * SECOND_MS, 0,
                   600 * SECOND_MS),

    NUMBER_SETTING(SETTING_INT, worker.slots, "PENSTOCK_SLOTS", 1000, 1, 100000),
    TEXT_SETTING(worker.host, "PENSTOCK_WORKER_HOST", "127.0.0.1", config_check_host),
    NUMBER_SETTING(SETTING_INT, worker.port, "PENSTOCK_WORKER_PORT", 0, 0, 65535),
    NUMBER_SETTING(SETTING_INT64, worker.lease_ms, NULL, 10 * SECOND_MS, SECOND_MS, HOUR_MS),
    NUMBER_SETTING(SETTING_INT64, worker.heartbeat_ms, NULL, 2 * SECOND_MS, 100, HOUR_MS),
    LIVE_SETTING(SETTING_INT64, worker.drain_ms, NULL, 20 * SECOND_MS, 0, HOUR_MS),
    LIVE_SETTING(SETTING_INT, worker.max_iterations, NULL, 32, 1, 1000),
    LIVE_SETTING(SETTING_INT64, worker.tool_timeout_ms, NULL, 30 * SECOND_MS, 1, HOUR_MS),
    LIVE_SETTING(SETTING_INT64, worker.answer_max_bytes, NULL, 1 << 20, 1024, 16 << 20),
    NUMBER_SETTING(SETTING_INT64, worker.memory_bytes, "PENSTOCK_MEMORY_BYTES", 512 << 20, 1 << 20,
                   (int64_t)1 << 40),

    TEXT_SETTING(webhooks.private_addresses, "PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES", "", NULL),
    NUMBER_SETTING(SETTING_INT64, webhooks.keep_days, NULL, 7, 4, 365),

    NUMBER_SETTING(SETTING_INT64, retention.pause_ms, NULL, 600 * SECOND_MS, 100, 24 * HOUR_MS),
    NUMBER_SETTING(SETTING_INT64, retention.firing_days, NULL, 90, 32, 36500),

    NUMBER_SETTING(SETTING_INT64, threads.max_bytes, NULL, 50 * MEGABYTE, 1000, 1000 * MEGABYTE),
    NUMBER_SETTING(SETTING_INT64, threads.user_max_bytes, NULL, 500 * MEGABYTE, 1000,
                   1000000 * MEGABYTE),

    TEXT_SETTING(files.store, "PENSTOCK_FILES_STORE", "postgres", config_check_files_store),
    TEXT_SETTING(files.directory, "PENSTOCK_FILES_DIRECTORY", "", config_check_directory),
    TEXT_SETTING(files.s3_endpoint, "PENSTOCK_S3_ENDPOINT", "", config_check_endpoint),
    TEXT_SETTING(files.s3_bucket, "PENSTOCK_S3_BUCKET", "", config_check_bucket),
    TEXT_SETTING(files.s3_region, "PENSTOCK_S3_REGION", "us-east-1", config_check_name),
    TEXT_SETTING(files.s3_access_key, "PENSTOCK_S3_ACCESS_KEY", "", config_check_optional_name),
    TEXT_SETTING(files.s3_secret_key, "PENSTOCK_S3_SECRET_KEY", "", config_check_optional_secret),
    TEXT_SETTING(files.s3_addressing, "PENSTOCK_S3_ADDRESSING", "path", config_check_addressing),
    NUMBER_SETTING(SETTING_INT64, files.s3_timeout_ms, NULL, 60 * SECOND_MS, SECOND_MS,
                   10 * 60 * SECOND_MS),
    NUMBER_SETTING(SETTING_INT64, files.max_bytes, NULL, (int64_t)512 << 20, 1024,
                   (int64_t)64 << 30),
    NUMBER_SETTING(SETTING_INT64, files.upload_max_bytes, NULL, (int64_t)8 << 30, 1024,
                   (int64_t)48 << 30),
    NUMBER_SETTING(SETTING_INT64, files.tenant_max_bytes, NULL, 100000 * MEGABYTE, 0,
                   INT64_MAX / 4),
    NUMBER_SETTING(SETTING_INT64, files.abandoned_ms, NULL, 15 * 60 * SECOND_MS, SECOND_MS,
                   24 * HOUR_MS),

    TEXT_SETTING(secrets.master_key, "PENSTOCK_MASTER_KEY", "", NULL),
    TEXT_SETTING(secrets.master_key_file, "PENSTOCK_MASTER_KEY_FILE", "", NULL),
    TEXT_SETTING(code_interpreter.enabled, "PENSTOCK_CODE_INTERPRETER", "on", config_check_on_off),
    NUMBER_SETTING(SETTING_INT, code_interpreter.slots, NULL, 4, 1, 32),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.wall_ms, NULL, 60 * SECOND_MS, 100,
                   600 * SECOND_MS),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.cpu_seconds, NULL, 30, 1, 600),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.memory_bytes, NULL, (int64_t)1 << 30, 64 << 20,
                   (int64_t)64 << 30),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.processes, NULL, 64, 4, 4096),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.disk_bytes, NULL, 64 << 20, 32 << 20,
                   (int64_t)4 << 30),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.output_bytes, NULL, 64 << 10, 1024, 96 << 10),
    NUMBER_SETTING(SETTING_INT64, code_interpreter.first_uid, NULL, 59100, 1000, 2000000000),
    TEXT_SETTING(code_interpreter.cgroups, "PENSTOCK_CODE_INTERPRETER_CGROUPS", "",
                 config_check_directories),

    TEXT_SETTING(read_page.robots, "PENSTOCK_READ_PAGE_ROBOTS", "obey", config_check_robots),

    TEXT_SETTING(telemetry.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT", "", config_check_optional_url),
    TEXT_SETTING(telemetry.traces_endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "",
                 config_check_optional_url),
    TEXT_SETTING(telemetry.headers, "OTEL_EXPORTER_OTLP_HEADERS", "", NULL),
    TEXT_SETTING(telemetry.service_name, "OTEL_SERVICE_NAME", "", NULL),
    TEXT_SETTING(telemetry.resource_attributes, "OTEL_RESOURCE_ATTRIBUTES", "", NULL),
    TEXT_SETTING(telemetry.sampler, "OTEL_TRACES_SAMPLER", "", NULL),
    TEXT_SETTING(telemetry.sampler_arg, "OTEL_TRACES_SAMPLER_ARG", "", NULL),
    TEXT_SETTING(telemetry.content, "PENSTOCK_TELEMETRY_CONTENT", "off", config_check_on_off),
    TEXT_SETTING(telemetry.tell_providers, "PENSTOCK_TELEMETRY_TELL_PROVIDERS", "off",
                 config_check_on_off),
};

static void *place(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

static int set_text(struct config *config, const struct setting *setting, const char *value,
                    const char *where, struct error *err)
{
    char **at = place(config, setting);
    const char *complaint = setting->check ? setting->check(value) : NULL;

    if (complaint)
        return error_set(err, E_INVALID, "%s %s", where, complaint);
    free(*at);
    *at = xstrdup(value);
    return 0;
}

static int set_number(struct config *config, const struct setting *setting, int64_t value,
                      const char *where, struct error *err)
{
    if (value < setting->min || value > setting->max)
        return error_set(err, E_INVALID, "%s must be %lld to %lld, not %lld", where,
                         (long long)setting->min, (long long)setting->max, (long long)value);
    if (setting->type == SETTING_INT)
        *(int *)place(config, setting) = (int)value;
    else
        *(int64_t *)place(config, setting) = value;
    return 0;
}

/* A value given as text: by a variable, a flag, or (where the file has text too) the file. */
static int set(struct config *config, const struct setting *setting, const char *value,
               const char *where, struct error *err)
{
    int64_t number;

    switch (setting->type) {
    case SETTING_STRING:
        return set_text(config, setting, value, where, err);
    case SETTING_INT:
    case SETTING_INT64:
        if (!text_to_int(text_of(value), &number))
            return error_set(err, E_INVALID, "%s must be a whole number, not \"%.40s\"", where,
                             value);
        return set_number(config, setting, number, where, err);
    case SETTING_LEVEL:
        if (!log_level_parse(value, place(config, setting)))
            return error_set(err, E_INVALID,
                             "%s must be debug, info, warn, error or off, not \"%.40s\"", where,
                             value);
        return 0;
    case SETTING_FORMAT:
        if (!log_format_parse(value, place(config, setting)))
            return error_set(err, E_INVALID, "%s must be logfmt or json, not \"%.40s\"", where,
                             value);
        return 0;
    }
    return error_set(err, E_INTERNAL, "%s has no type", setting->path);
}

static bool is_number(const struct setting *setting)
{
    return setting->type == SETTING_INT || setting->type == SETTING_INT64;
}

static int apply_default(struct config *config, const struct setting *setting, struct error *err)
{
    if (is_number(setting))
        return set_number(config, setting, setting->number_default, setting->path, err);
    return set(config, setting, setting->text_default, setting->path, err);
}

static int apply_file(struct config *config, const struct setting *setting,
                      struct config_file *file, struct error *err)
{
    char where[160];
    const void *at;

    if (!file->data)
        return 0;
    at = (const char *)file->data + setting->file_offset;
    if (!*(void *const *)at)
        return 0;
    config_file_where(file, setting->path, where, sizeof(where));
    if (is_number(setting))
        return set_number(config, setting, **(int64_t *const *)at, where, err);
    return set(config, setting, *(char *const *)at, where, err);
}

static const struct setting *find(const char *path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
        if (strcmp(settings[i].path, path) == 0)
            return &settings[i];
    ASSERT(!"a setting of the table");
    return NULL;
}

void config_flags_set(struct config_flags *flags, const char *path, const char *name,
                      const char *value)
{
    size_t at = 0;

    while (at < flags->count && strcmp(flags->items[at].path, path) != 0)
        at++;
    ASSERT(at < CONFIG_FLAGS_MAX);
    flags->items[at].path = path;
    flags->items[at].name = name;
    flags->items[at].value = value;
    if (at == flags->count)
        flags->count++;
}

static int apply_flags(struct config *config, const struct config_flags *flags, struct error *err)
{
    for (size_t i = 0; i < flags->count; i++) {
        char where[64];
        int r;

        (void)snprintf(where, sizeof(where), "--%s", flags->items[i].name);
        r = set(config, find(flags->items[i].path), flags->items[i].value, where, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A worker must be able to miss two heartbeats before others take its runs. */
static int check_lease(const struct config *config, struct config_file *file, struct error *err)
{
    char where[160];

    if (config->worker.lease_ms >= 3 * config->worker.heartbeat_ms)
        return 0;
    config_file_where(file, "worker.lease_ms", where, sizeof(where));
    return error_set(err, E_INVALID,
                     "%s must be at least three times worker.heartbeat_ms (%lld), not %lld", where,
                     (long long)config->worker.heartbeat_ms, (long long)config->worker.lease_ms);
}

/* A store needs what it is to be reached by. */
static int check_files(const struct config *config, struct config_file *file, struct error *err)
{
    const struct {
        const char *store;
        const char *value;
        const char *path;
    } needs[] = {
        {"directory", config->files.directory, "files.directory"},
        {"s3", config->files.s3_bucket, "files.s3_bucket"},
        {"s3", config->files.s3_endpoint, "files.s3_endpoint"},
        {"s3", config->files.s3_access_key, "files.s3_access_key"},
        {"s3", config->files.s3_secret_key, "files.s3_secret_key"},
    };
    char where[160];

    for (size_t i = 0; i < ARRAY_LENGTH(needs); i++) {
        if (strcmp(config->files.store, needs[i].store) != 0 || needs[i].value[0])
            continue;
        config_file_where(file, "files.store", where, sizeof(where));
        return error_set(err, E_INVALID, "%s is %s, which needs %s", where, needs[i].store,
                         needs[i].path);
    }
    return 0;
}

int config_apply_scalars(struct config *config, struct config_file *file, char *const *environment,
                         const struct config_flags *flags, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        const struct setting *setting = &settings[i];
        const char *value = NULL;

        r = apply_default(config, setting, err);
        if (r == 0)
            r = apply_file(config, setting, file, err);
        if (setting->variable)
            value = config_variable(environment, setting->variable);
        if (r == 0 && value)
            r = set(config, setting, value, setting->variable, err);
        if (r < 0)
            return r;
    }
    if (flags)
        r = apply_flags(config, flags, err);
    if (r < 0)
        return r;
    r = check_lease(config, file, err);
    return r < 0 ? r : check_files(config, file, err);
}

bool config_scalars_read(const char *variable)
{
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++)
        if (settings[i].variable && strcmp(settings[i].variable, variable) == 0)
            return true;
    return false;
}

/* Bytes of a value that is no string. */
static size_t width(const struct setting *setting)
{
    switch (setting->type) {
    case SETTING_STRING:
        break;
    case SETTING_INT:
        return sizeof(int);
    case SETTING_INT64:
        return sizeof(int64_t);
    case SETTING_LEVEL:
        return sizeof(enum log_level);
    case SETTING_FORMAT:
        return sizeof(enum log_format);
    }
    return 0;
}

static bool same(const struct setting *setting, const struct config *one,
                 const struct config *other)
{
    const void *a = (const char *)one + setting->offset;
    const void *b = (const char *)other + setting->offset;

    if (setting->type == SETTING_STRING)
        return strcmp(*(char *const *)a, *(char *const *)b) == 0;
    return memcmp(a, b, width(setting)) == 0;
}

/* "scheduler" and "worker" have settings of their own; all else is everybody's. */
static bool concerns(const char *program, const char *path)
{
    static const char *const sections[] = {"scheduler.", "worker."};

    for (size_t i = 0; i < ARRAY_LENGTH(sections); i++)
        if (strncmp(path, sections[i], strlen(sections[i])) == 0)
            return strncmp(path, program, strlen(program)) == 0;
    return true;
}

static void name(struct buf *out, const char *path)
{
    buf_printf(out, "%s%s", out->len > 0 ? ", " : "", path);
}

static bool same_addresses(const struct config *one, const struct config *other)
{
    if (one->worker.private_addresses_count != other->worker.private_addresses_count)
        return false;
    for (unsigned i = 0; i < one->worker.private_addresses_count; i++)
        if (strcmp(one->worker.private_addresses[i], other->worker.private_addresses[i]) != 0)
            return false;
    return true;
}

void config_take_over(struct config *running, const struct config *loaded, const char *program,
                      struct buf *changed, struct buf *left)
{
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        const struct setting *setting = &settings[i];

        if (setting->reload == RELOAD_REGISTRY || same(setting, running, loaded) ||
            !concerns(program, setting->path))
            continue;
        name(setting->reload == RELOAD_NUMBER ? changed : left, setting->path);
        if (setting->reload == RELOAD_NUMBER)
            memcpy(place(running, setting), (const char *)loaded + setting->offset, width(setting));
    }
    if (concerns(program, "worker.private_addresses") && !same_addresses(running, loaded))
        name(left, "worker.private_addresses");
}
