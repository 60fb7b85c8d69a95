/* `penstock dev`: Postgres, Redis, scheduler, workers, and where no provider is set the rehearsal
 * LLM.
 *
 * Nothing is started before the port, the programs and the configuration are found to be right. The
 * pieces of set-up that need the loop (migrations, the tenant, the key) run as children: no fork
 * after a loop started, so there is none here.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "scheduler/cli/command.h"
#include "scheduler/cli/dev/dev.h"
#include "scheduler/cli/dev/environment_file.h"
#include "scheduler/cli/files.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

#define READY_MS        60000
#define PROBE_MS        2000
#define DRAIN_MS        25000
#define SERVERS_STOP_MS 20000
#define DEATHS_MAX      3 /* of a child, before it was ever ready */

struct dev {
    const struct arguments *args;
    struct dev_place place;
    struct dev_programs programs;
    struct dev_children children;
    size_t servers; /* how many of the children are servers: those are stopped last */
    int port;
    int rehearsal_port; /* 0: none */
    unsigned workers;
    char postgres[DEV_PATH_SIZE + 16];
    char redis_socket[DEV_PATH_SIZE + 16];
    char rehearsal_port_text[12];
    char names[DEV_WORKERS_MAX][20]; /* of workers */
    bool new_database;
};

static void set_variable(const char *name, const char *value)
{
    if (setenv(name, value, 1) < 0)
        abort(); /* out of memory */
}

/* A folder as a value in a URL's query. */
static void add_encoded(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (strchr("/-_.~", *text) || (*text >= '0' && *text <= '9') ||
            (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
            buf_add_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

/* Settings of another Postgres would lead ours and its clients astray. */
static void clear_postgres_variables(void)
{
    static const char *const names[] = {"PGDATA",    "PGPORT",     "PGHOST",     "PGHOSTADDR",
                                        "PGUSER",    "PGDATABASE", "PGPASSWORD", "PGOPTIONS",
                                        "PGSERVICE", "PGSSLMODE",  "PGPASSFILE", "PGREQUIREAUTH"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        (void)unsetenv(names[i]);
}

static bool has_provider(void)
{
    static const char *const names[] = {"OPENAI_API_KEY",   "GROQ_API_KEY",
                                        "DEEPSEEK_API_KEY", "OPENAI_BASE_URL",
                                        "PENSTOCK_CONFIG",  "PENSTOCK_LOCAL_BASE_URL"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            return true;
    }
    return false;
}

static int choose_llm(struct dev *dev, struct error *err)
{
    const char *url = arguments_get(dev->args, "llm-base-url");
    const char *key = getenv("OPENAI_API_KEY");
    char rehearsal[64];
    int r;

    if (url) {
        set_variable("OPENAI_BASE_URL", url);
        if (!key || !*key)
            set_variable("OPENAI_API_KEY", "none");
        return 0;
    }
    if (has_provider())
        return 0;
    r = dev_free_port(&dev->rehearsal_port, err);
    if (r < 0)
        return r;
    (void)snprintf(rehearsal, sizeof(rehearsal), "http://127.0.0.1:%d/v1", dev->rehearsal_port);
    set_variable("OPENAI_BASE_URL", rehearsal);
    set_variable("OPENAI_API_KEY", "rehearsal");
    return 0;
}

/* Children run in the data folder, so a relative path would mean something else to them. */
static void make_absolute(const char *name)
{
    const char *path = getenv(name);
    CLEANUP(freep) char *absolute = path && *path ? realpath(path, NULL) : NULL;

    if (absolute)
        set_variable(name, absolute);
}

/* What children find in their environment; it outranks a configuration file. */
static void set_environment(struct dev *dev)
{
    CLEANUP(buf_deinit) struct buf url = {0};

    buf_init(&url, 4096);
    buf_add_string(&url, "postgresql:///penstock?host=");
    add_encoded(&url, dev->place.sockets);
    buf_add_string(&url, "&user=penstock");
    set_variable("DATABASE_URL", buf_string(&url));
    buf_reset(&url);
    buf_printf(&url, "unix://%s", dev->redis_socket);
    set_variable("REDIS_URL", buf_string(&url));
    buf_reset(&url);
    buf_printf(&url, "http://127.0.0.1:%d", dev->port);
    set_variable("PENSTOCK_URL", buf_string(&url));
    buf_reset(&url);
    buf_printf(&url, "%d", dev->port);
    set_variable("PENSTOCK_PORT", buf_string(&url));
    set_variable("PENSTOCK_HOST", "127.0.0.1");
    set_variable("PENSTOCK_WORKER_HOST", "127.0.0.1");
    set_variable("PENSTOCK_WORKER_PORT", "0");
    (void)unsetenv("PENSTOCK_ROLES");
}

/* The key of a `penstock dev` of another folder, whose environment this shell has taken over: ours
 * is not to be sealed under it, since nobody would look for it there. */
static void forget_key_of_another(const struct dev *dev)
{
    static const char name[] = "PENSTOCK_MASTER_KEY_FILE";
    struct text path = text_of(getenv(name));
    CLEANUP(freep) char *own = xasprintf("%s/" ENVIRONMENT_MASTER_KEY, dev->place.data);
    CLEANUP(freep) char *beside = NULL;

    if (!text_ends(path, "/" ENVIRONMENT_MASTER_KEY) || text_is(path, own))
        return;
    beside = xasprintf("%.*s/" ENVIRONMENT_FILE,
                       (int)(path.len - strlen("/" ENVIRONMENT_MASTER_KEY)), path.ptr);
    if (access(beside, F_OK) == 0)
        (void)unsetenv(name);
}

/* What secrets of tenants are sealed under: a key of our own, where the settings say none. It is
 * kept whatever becomes of the database. */
static int make_master_key(struct dev *dev, const struct config *config, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/" ENVIRONMENT_MASTER_KEY, dev->place.data);
    uint8_t bytes[32];
    char text[2 * sizeof(bytes) + 2] = "";
    int r = 0;

    if (*config->secrets.master_key || *config->secrets.master_key_file)
        return 0;
    if (access(path, F_OK) != 0) {
        random_bytes(bytes, sizeof(bytes));
        *text_put_hex(text, bytes, sizeof(bytes)) = '\n';
        r = file_write_private(path, text_of(text), err);
        explicit_bzero(bytes, sizeof(bytes));
        explicit_bzero(text, sizeof(text));
    }
    if (r == 0)
        set_variable("PENSTOCK_MASTER_KEY_FILE", path);
    return r;
}

/* All that can be wrong before anything is started. */
static int check_all(struct dev *dev, struct error *err)
{
    struct config_flags flags = {0};
    struct config *config = NULL;
    int r;

    dev->port = (int)arguments_number(dev->args, "port", 8080);
    dev->workers = (unsigned)arguments_number(dev->args, "workers", 2);
    r = dev->port ? dev_check_port(dev->port, err) : dev_free_port(&dev->port, err);
    if (r == 0) {
        const char *data = arguments_get(dev->args, "data");

        r = dev_place_open(data ? data : ENVIRONMENT_FOLDER, &dev->place, err);
    }
    if (r == 0)
        r = dev_programs_find(&dev->place, &dev->programs, err);
    if (r == 0)
        r = choose_llm(dev, err);
    if (r < 0)
        return r;
    (void)snprintf(dev->redis_socket, sizeof(dev->redis_socket), "%s/redis.sock",
                   dev->place.sockets);
    clear_postgres_variables();
    make_absolute("PENSTOCK_CONFIG");
    make_absolute("PENSTOCK_MASTER_KEY_FILE");
    forget_key_of_another(dev);
    set_environment(dev);
    r = config_load(&flags, environ, &config, err);
    if (r == 0)
        r = make_master_key(dev, config, err);
    config_free(config);
    return r;
}

/* What happens until all is ready: a first start makes a database, and takes some seconds. */
static void PRINTF(1, 2) say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)fprintf(stderr, "penstock dev: ");
    (void)vfprintf(stderr, format, args);
    (void)fprintf(stderr, "\n");
    va_end(args);
}

/* Their folders are relative to the data folder, in which children run. */
static int start_servers(struct dev *dev, struct error *err)
{
    const struct dev_command postgres = {
        .name = "postgres",
        .argv = {dev->postgres, "-D", "postgres", "-k", dev->place.sockets, "-c",
                 "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c",
                 "max_connections=200", NULL},
        .as_server_user = true,
        .death_signal = SIGINT,
    };
    const struct dev_command redis = {
        .name = "redis",
        .argv = {dev->programs.redis, "--port", "0", "--unixsocket", dev->redis_socket,
                 "--unixsocketperm", "700", "--save", "", "--appendonly", "no", "--dir", "redis",
                 "--daemonize", "no", "--maxmemory-policy", "noeviction", NULL},
        .as_server_user = true,
    };
    int r = dev_end_stale_postgres(&dev->place, err);

    if (r == 0)
        say("starting Postgres and Redis in %s", dev->place.shown);
    if (r == 0)
        r = dev_prepare_postgres(&dev->place, &dev->programs, &dev->new_database, err);
    if (r != 0)
        return r;
    (void)snprintf(dev->postgres, sizeof(dev->postgres), "%s/postgres", dev->programs.postgres_bin);
    r = dev_child_start(&dev->children, &postgres, SIGINT, err);
    if (r == 0)
        r = dev_child_start(&dev->children, &redis, SIGTERM, err);
    dev->servers = dev->children.count;
    return r;
}

/* Waits until ready(dev), while children may still fail. Returns 0, DEV_INTERRUPTED or an error. */
static int wait_until(struct dev *dev, bool (*ready)(struct dev *dev), const char *what,
                      struct error *err)
{
    int64_t give_up_ms = deadline_in(READY_MS);

    while (!ready(dev)) {
        if (dev_children_watch(&dev->children, 50) == DEV_INTERRUPTED)
            return DEV_INTERRUPTED;
        for (size_t i = 0; i < dev->children.count; i++)
            if (dev->children.items[i].restarts.tries >= DEATHS_MAX)
                return dev_child_failed(&dev->children, &dev->children.items[i], err);
        if (clock_ms() > give_up_ms)
            return error_set(err, E_TIMEOUT, "%s is not ready after %d s; see %s/logs", what,
                             READY_MS / 1000, dev->place.shown);
    }
    return 0;
}

static bool redis_ready(struct dev *dev)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ready;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", dev->redis_socket);
    ready = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ready;
}

static bool postgres_ready(struct dev *dev)
{
    CLEANUP(freep) char *socket_path = xasprintf("%s/.s.PGSQL.5432", dev->place.sockets);

    return access(socket_path, F_OK) == 0;
}

/* What 127.0.0.1 replies to one GET, as far as it fits; "" when it does not within PROBE_MS. */
static void probe(int port, const char *path, char *reply, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    const struct timeval timeout = {PROBE_MS / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t len = -1;

    *reply = '\0';
    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        dprintf(fd, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path) > 0)
        len = recv(fd, reply, size - 1, MSG_WAITALL);
    reply[len > 0 ? len : 0] = '\0';
    (void)close(fd);
}

/* The scheduler takes requests, and knows of a worker. */
static bool all_ready(struct dev *dev)
{
    char reply[2048];

    probe(dev->port, "/readyz", reply, sizeof(reply));
    return strncmp(reply, "HTTP/1.1 200", 12) == 0 && !strstr(reply, "no worker is up");
}

static int run_ours(struct dev *dev, const char *name, const char *const *words, struct buf *out,
                    struct error *err)
{
    struct dev_command command = {
        .name = name, .argv = {dev->programs.penstock}, .needs = DEV_NEEDS_SETTINGS};

    for (size_t i = 0; words[i]; i++)
        command.argv[i + 1] = words[i];
    return dev_run(&dev->place, &command, TEXT_NONE, out, err);
}

/* The key is kept as long as its database. */
static int make_key(struct dev *dev, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/api-key", dev->place.data);
    CLEANUP(buf_deinit) struct buf key = {0};
    const char *const tenant[] = {"tenants", "create", "dev", "--if-missing", NULL};
    const char *const create[] = {"keys", "create", "--tenant", "dev", "--name", "dev", NULL};
    int r;

    buf_init(&key, 4096);
    if (dev->new_database)
        (void)unlink(path);
    r = file_read(path, &key, err);
    if (r < 0 && err->code != E_NOT_FOUND)
        return r;
    if (r < 0) {
        buf_reset(&key);
        r = run_ours(dev, "setup", tenant, NULL, err);
        if (r == 0)
            r = run_ours(dev, "setup", create, &key, err);
        if (r == 0)
            r = file_write_private(path, buf_text(&key), err);
        if (r != 0)
            return r;
    }
    key.len = text_trim(buf_text(&key)).len;
    if (key.len > 0)
        key.ptr[key.len] = '\0';
    set_variable("PENSTOCK_API_KEY", buf_string(&key));
    return 0;
}

static int write_environment(struct dev *dev, struct error *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/" ENVIRONMENT_FILE, dev->place.data);
    CLEANUP(buf_deinit) struct buf text = {0};
    static const char *const names[] = {ENVIRONMENT_NAMES};

    buf_init(&text, 65536);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const struct environment_entry entry = {names[i], getenv(names[i])};

        if (entry.value && *entry.value)
            environment_render(&entry, 1, &text);
    }
    return file_write_private(path, buf_text(&text), err);
}

/* Postgres may still be recovering: `penstock migrate` waits for it. */
static int set_up(struct dev *dev, struct error *err)
{
    const char *const migrate[] = {"migrate", NULL};
    int r = wait_until(dev, postgres_ready, "Postgres", err);

    if (r == 0)
        r = wait_until(dev, redis_ready, "Redis", err);
    if (r == 0)
        say("bringing the database's schema up to date");
    if (r == 0)
        r = run_ours(dev, "setup", migrate, NULL, err);
    if (r == 0)
        r = make_key(dev, err);
    return r;
}

static int start_ours(struct dev *dev, struct error *err)
{
    const struct dev_command rehearsal = {
        .name = "rehearsal",
        .argv = {dev->programs.rehearsal, "--port", dev->rehearsal_port_text, NULL},
    };
    const struct dev_command scheduler = {
        .name = "scheduler", .argv = {dev->programs.scheduler}, .needs = DEV_NEEDS_SETTINGS};
    int r = 0;

    say("starting %sthe scheduler and %u worker%s",
        dev->rehearsal_port ? "penstock-rehearsal, " : "", dev->workers,
        dev->workers == 1 ? "" : "s");
    (void)snprintf(dev->rehearsal_port_text, sizeof(dev->rehearsal_port_text), "%d",
                   dev->rehearsal_port);
    if (dev->rehearsal_port)
        r = dev_child_start(&dev->children, &rehearsal, SIGTERM, err);
    if (r == 0)
        r = dev_child_start(&dev->children, &scheduler, SIGTERM, err);
    for (unsigned i = 0; r == 0 && i < dev->workers; i++) {
        const struct dev_command worker = {
            .name = dev->names[i], .argv = {dev->programs.worker}, .needs = DEV_NEEDS_SETTINGS};

        (void)snprintf(dev->names[i], sizeof(dev->names[i]), "worker-%u", i + 1);
        r = dev_child_start(&dev->children, &worker, SIGTERM, err);
    }
    return r;
}

static void say_ready(const struct dev *dev)
{
    printf("penstock ready at http://127.0.0.1:%d (key in %s/api-key, environment in %s/dev.env)\n",
           dev->port, dev->place.shown, dev->place.shown);
    if (dev->rehearsal_port)
        printf("No provider key is set: models of openai are played by penstock-rehearsal.\n");
    if (strcmp(dev->place.servers, dev->place.data) != 0)
        printf("The databases are in %s: their user may not enter %s.\n", dev->place.servers,
               dev->place.data);
    (void)fflush(stdout);
}

static int serve(struct dev *dev, struct error *err)
{
    int r = start_servers(dev, err);

    if (r == 0)
        r = set_up(dev, err);
    if (r == 0)
        r = start_ours(dev, err);
    if (r == 0)
        r = wait_until(dev, all_ready, "the scheduler or a worker", err);
    if (r == 0)
        r = write_environment(dev, err);
    if (r != 0)
        return r;
    say_ready(dev);
    dev->children.verbose = true;
    while (dev_children_watch(&dev->children, 60000) != DEV_INTERRUPTED)
        continue;
    return DEV_INTERRUPTED;
}

static int run(const struct arguments *args)
{
    struct dev *dev = xcalloc(1, sizeof(*dev));
    struct error err;
    int r;

    dev->args = args;
    dev->place.lock_fd = -1;
    dev->children.place = &dev->place;
    dev_signals_block();
    r = check_all(dev, &err);
    if (r == 0)
        r = serve(dev, &err);
    if (r == DEV_INTERRUPTED && dev->children.count > 0)
        (void)fprintf(stderr, "penstock dev: stopping (again to hurry)\n");
    dev->children.verbose = false;
    if (dev->children.count > dev->servers)
        dev_children_stop(&dev->children, dev->servers, DRAIN_MS);
    if (dev->children.count > 1)
        dev_children_stop(&dev->children, 1, SERVERS_STOP_MS);
    dev_children_stop(&dev->children, 0, SERVERS_STOP_MS);
    dev_place_close(&dev->place);
    free(dev);
    if (r >= 0)
        return COMMAND_OK;
    return command_fail(&err) == COMMAND_USAGE ? COMMAND_USAGE : COMMAND_FAILED;
}

static const struct option_spec options[] = {
    {"port", 'p', "PORT", "of the API; 0 takes a free one (default 8080)", 0, 65535},
    {"data", 'd', "FOLDER", "where everything is kept (default .penstock)", 0, 0},
    {"workers", 'w', "N", "worker processes (default 2)", 1, DEV_WORKERS_MAX},
    {"llm-base-url", 0, "URL", "of a server that speaks OpenAI's chat completions, for openai/...",
     0, 0},
};

const struct command command_dev = {
    .name = "dev",
    .arguments = "",
    .summary = "Start everything on this machine, in the foreground",
    .details =
        "A private Postgres and Redis on unix sockets, the scheduler, and workers. Without a\n"
        "provider's key in the environment (OPENAI_API_KEY, ...) penstock-rehearsal stands in for\n"
        "the LLM. Programs find those variables alone that they read (docs/cli.md). SIGHUP makes "
        "them\n"
        "read the configuration again. Ctrl-C stops all of it; the data stay, and the next start\n"
        "goes on with them.",
    .options = options,
    .options_count = ARRAY_LENGTH(options),
    .run = run,
};
