/* The url, taken apart once: libpq parses it, and we split its lists of hosts, so that each name is
 * resolved by us and libpq is always given a numeric address or a socket folder.
 *
 * What the url leaves open comes from the environment (PGHOST, PGPASSWORD, …) as libpq documents.
 * Settings of ours go first, so that the url's own `options` may override them.
 */

#include "shared/postgres/conninfo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"
#include "shared/io/io.h"
#include "shared/postgres/postgres.h"

#define CONNECT_TIMEOUT_MS     5000
#define CONNECT_TIMEOUT_MAX_MS 600000
#define SILENCE_MS             2000
#define LOCK_TIMEOUT_MS        1500
#define PARAMETERS_MAX         80

struct parameters {
    const char *keywords[PARAMETERS_MAX + 1];
    const char *values[PARAMETERS_MAX + 1];
    size_t count;
};

/* Used where neither the url nor the environment says otherwise. */
static const struct {
    const char *keyword;
    const char *value;
} defaults[] = {
    {"client_encoding", "UTF8"},  {"gssencmode", "disable"},    {"keepalives", "1"},
    {"keepalives_idle", "10"},    {"keepalives_interval", "5"}, {"keepalives_count", "3"},
    {"tcp_user_timeout", "5000"},
};

static const char *lookup(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (strcmp(options->keyword, keyword) == 0)
            return options->val;
    }
    return NULL;
}

/* From the url, else from the environment; never NULL, the caller's to free. */
static char *lookup_copy(const PQconninfoOption *options, const PQconninfoOption *environment,
                         const char *keyword)
{
    const char *value = lookup(options, keyword);

    if (!value || !value[0])
        value = lookup(environment, keyword);
    return xstrdup(value ? value : "");
}

/* What libpq says may quote the url: everything from the first quote on is dropped. */
static int parse_failure(const char *message, struct error *err)
{
    char line[120];
    size_t len = message ? strcspn(message, "\"\r\n") : 0;

    while (len > 0 && (message[len - 1] == ' ' || message[len - 1] == ':'))
        len--;
    snprintf(line, sizeof(line), "%.*s", (int)len, message ? message : "");
    return error_set(err, E_INVALID,
                     "the database url is not valid (%s); expected "
                     "postgresql://user:password@host:5432/database",
                     line[0] ? line : "syntax error");
}

static size_t count_parts(const char *list)
{
    size_t count = 1;

    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* Part `at` of a comma list; a list of one stands for all. */
static char *take_part(const char *list, size_t at)
{
    if (count_parts(list) == 1)
        return xstrdup(list);
    for (; at > 0; at--)
        list = strchr(list, ',') + 1;
    return xstrndup(list, strcspn(list, ","));
}

static bool fits(size_t parts, size_t count)
{
    return parts == 1 || parts == count;
}

static int split_targets(struct pg_conninfo *info, const struct pg_target *lists, struct error *err)
{
    size_t hosts = count_parts(lists->host);
    size_t addresses = count_parts(lists->hostaddr);
    size_t ports = count_parts(lists->port);
    size_t count = lists->hostaddr[0] ? addresses : hosts;

    if (count > PG_TARGETS_MAX)
        return error_set(err, E_INVALID, "the database url names %zu hosts; at most %d are allowed",
                         count, PG_TARGETS_MAX);
    if (!fits(ports, count) || (lists->host[0] && hosts != count))
        return error_set(err, E_INVALID,
                         "the database url names %zu hosts, %zu addresses and %zu ports; give one "
                         "port, or one for each host",
                         hosts, addresses, ports);
    for (size_t i = 0; i < count; i++) {
        info->targets[i].host = take_part(lists->host, i);
        info->targets[i].hostaddr = take_part(lists->hostaddr, i);
        info->targets[i].port = take_part(lists->port, i);
        info->target_count = i + 1;
    }
    return 0;
}

static void free_target(struct pg_target *target)
{
    free(target->host);
    free(target->hostaddr);
    free(target->port);
}

static int find_targets(struct pg_conninfo *info, struct error *err)
{
    PQconninfoOption *environment = PQconndefaults();
    struct pg_target lists = {.host = lookup_copy(info->options, NULL, "host"),
                              .hostaddr = lookup_copy(info->options, NULL, "hostaddr"),
                              .port = lookup_copy(info->options, environment, "port")};
    int r;

    if (!lists.host[0] && !lists.hostaddr[0]) {
        free_target(&lists);
        lists.host = lookup_copy(environment, NULL, "host");
        lists.hostaddr = lookup_copy(environment, NULL, "hostaddr");
        lists.port = lookup_copy(info->options, environment, "port");
    }
    r = split_targets(info, &lists, err);
    free_target(&lists);
    PQconninfoFree(environment);
    return r;
}

static int64_t positive_or(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void find_settings(struct pg_conninfo *info, const struct pg_options *options)
{
    const char *theirs = lookup(info->options, "options");
    const char *name = lookup(info->options, "application_name");
    const char *timeout = lookup(info->options, "connect_timeout");
    int64_t timeout_s = 0;

    /* Statements are prepared, and unless asked otherwise their plans do not depend on values:
     * planned again for every execution (what Postgres does when that seems a little cheaper to
     * execute), some cost three times as much. Compiling a plan never pays for rows found by index.
     * A plan is kept that was made when the tables were tiny, so none may read a whole table (where
     * nothing else is possible, it still does). Nobody waits long for a lock: what waits on the
     * shared connection holds up whatever was sent behind it. But it waits longer than the server's
     * deadlock_timeout (1 s), since a deadlock that is recognised is run again. */
    info->settings = xasprintf("-c statement_timeout=%" PRId64
                               " -c lock_timeout=%d -c timezone=UTC -c datestyle=ISO "
                               "-c plan_cache_mode=%s -c jit=off "
                               "-c enable_seqscan=off "
                               "-c idle_in_transaction_session_timeout=60000%s%s%s",
                               positive_or(options->statement_timeout_ms, 10000), LOCK_TIMEOUT_MS,
                               options->custom_plans ? "force_custom_plan" : "force_generic_plan",
                               options->lazy_commits ? " -c synchronous_commit=off" : "",
                               theirs ? " " : "", theirs ? theirs : "");
    info->application_name = xstrdup(name && name[0] ? name : options->application_name);
    info->silence_ms = positive_or(options->silence_ms, SILENCE_MS);
    info->connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (timeout && text_to_int(text_of(timeout), &timeout_s) && timeout_s > 0)
        info->connect_timeout_ms =
            timeout_s < CONNECT_TIMEOUT_MAX_MS / 1000 ? timeout_s * 1000 : CONNECT_TIMEOUT_MAX_MS;
}

static int fill(struct pg_conninfo *info, const struct pg_options *options, struct error *err)
{
    char *message = NULL;
    int r;

    info->options = PQconninfoParse(options->url, &message);
    if (!info->options) {
        r = parse_failure(message, err);
        PQfreemem(message);
        return r;
    }
    if (lookup(info->options, "service"))
        return error_set(err, E_INVALID, "the database url names a service: set PGSERVICE instead");
    find_settings(info, options);
    return find_targets(info, err);
}

int pg_conninfo_new(const struct pg_options *options, struct pg_conninfo **out, struct error *err)
{
    struct pg_conninfo *info;
    int r;

    ASSERT(options->application_name);
    if (!options->url || !options->url[0])
        return error_set(err, E_INVALID,
                         "no database url is set; expected "
                         "postgresql://user:password@host:5432/database");
    info = xcalloc(1, sizeof(*info));
    r = fill(info, options, err);
    if (r < 0) {
        pg_conninfo_free(info);
        return r;
    }
    *out = info;
    return 0;
}

void pg_conninfo_free(struct pg_conninfo *info)
{
    if (!info)
        return;
    PQconninfoFree(info->options);
    for (size_t i = 0; i < info->target_count; i++)
        free_target(&info->targets[i]);
    free(info->settings);
    free(info->application_name);
    free(info);
}

static void add(struct parameters *parameters, const char *keyword, const char *value)
{
    ASSERT(parameters->count < PARAMETERS_MAX);
    parameters->keywords[parameters->count] = keyword;
    parameters->values[parameters->count++] = value;
}

/* Those that pg_conninfo_start sets itself. */
static bool is_ours(const char *keyword)
{
    static const char *const ours[] = {"host",    "hostaddr",         "port",
                                       "options", "application_name", "connect_timeout"};

    for (size_t i = 0; i < ARRAY_LENGTH(ours); i++) {
        if (strcmp(keyword, ours[i]) == 0)
            return true;
    }
    return false;
}

PGconn *pg_conninfo_start(const struct pg_conninfo *info, const struct pg_target *target,
                          const char *hostaddr)
{
    struct parameters parameters = {.count = 0};

    for (size_t i = 0; i < ARRAY_LENGTH(defaults); i++) {
        if (!lookup(info->options, defaults[i].keyword))
            add(&parameters, defaults[i].keyword, defaults[i].value);
    }
    for (const PQconninfoOption *option = info->options; option->keyword; option++) {
        if (option->val && !is_ours(option->keyword))
            add(&parameters, option->keyword, option->val);
    }
    if (target->host[0])
        add(&parameters, "host", target->host);
    if (hostaddr)
        add(&parameters, "hostaddr", hostaddr);
    if (target->port[0])
        add(&parameters, "port", target->port);
    add(&parameters, "options", info->settings);
    add(&parameters, "application_name", info->application_name);
    return PQconnectStartParams(parameters.keywords, parameters.values, 0);
}

bool pg_target_is_name(const struct pg_target *target)
{
    struct address address;
    const char *host = target->host;

    if (target->hostaddr[0] || !host[0] || host[0] == '/' || host[0] == '@')
        return false;
    return address_parse(host, PG_TARGET_PORT_FIRST, &address, NULL) < 0;
}
