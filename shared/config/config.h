#pragma once
/* Configuration: defaults, then a YAML file (libcyaml, with ${ENV} and ${ENV:-default}
 * substitution), then the environment, then flags; the later wins. Every error names the file,
 * line and column, or the variable or flag, what is wrong and what would be right.
 *
 * One struct for every program: each reads what concerns it. The config owns all its strings.
 */

#include "shared/base/compiler.h"
#include "shared/base/log.h"
#include "shared/base/text.h"

struct error;

enum config_switch { CONFIG_UNSET, CONFIG_OFF, CONFIG_ON };

struct config_provider {
    char *name;      /* "openai"; the part of a model's name before '/' */
    char *kind;      /* wire format: "openai_chat", … */
    char *base_url;  /* "https://api.openai.com/v1" */
    char *api_key;   /* empty: none is sent. Never logged. */
    char **api_keys; /* more of them, which are used by the room that they have left */
    unsigned api_keys_count;
    char **headers; /* "Name: value", sent with each call */
    unsigned headers_count;
    int64_t connect_timeout_ms;      /* default 10 000 */
    int64_t first_byte_timeout_ms;   /* default 120 000 */
    int64_t idle_timeout_ms;         /* of a stream, between bytes; default 60 000 */
    int64_t total_timeout_ms;        /* default 600 000 */
    enum config_switch stream;       /* whether replies are streamed; default: as the format does */
    enum config_switch native_state; /* whether it may keep conversations; default: it may not */
    int64_t concurrent_calls;        /* over all models; 0: no limit */
    bool in_use;                     /* the file or a variable names it: it is not just built in */
};

#define CONFIG_KEYS_MAX 8 /* of a provider */

/* An engine that web_search asks; they are asked in the order of the list. */
struct config_search_engine {
    char *name;                  /* in logs and limits; default: its kind */
    char *kind;                  /* "searxng", "brave", "tavily" */
    char *base_url;              /* without a slash at its end */
    char *api_key;               /* "": none. Never logged. */
    char *api_key_file;          /* what has it; "": none. Read by config_search_key */
    int64_t requests_per_minute; /* of all workers together; 0, the default: no limit */
    int64_t interval_ms;         /* one at a time, so far apart; 0, the default: any */
    int64_t timeout_ms;          /* default 10 000 */
};

/* A server of the Model Context Protocol that agents may name by its label: at a url, or a program
 * of the operator's. */
struct config_mcp_server {
    char *label;
    char *url;      /* NULL: a program */
    char **headers; /* "Name: value", of a url */
    unsigned headers_count;
    char *client_id; /* of OAuth, of a url; NULL: none */
    char *client_secret;
    char *token_url; /* NULL: found out */
    char *scopes;    /* NULL: none is named */
    char *command;   /* a path */
    char **args;
    unsigned args_count;
    char **env; /* "NAME=value" */
    unsigned env_count;
    char **read; /* folders that it sees */
    unsigned read_count;
    char **write; /* that it may write to, too */
    unsigned write_count;
    bool network;
    bool sandbox; /* the default */
};

/* A model: what stands in the configuration, and in the table that is compiled in. What is not
 * said is -1 or CONFIG_UNSET. */
struct config_model {
    char *name;     /* the bare name that agents may use: "gpt-4o-mini" */
    char *provider; /* names a provider above */
    char *model;    /* what the provider calls it; NULL: as `name` */
    int64_t context_tokens;
    int64_t output_tokens;
    int64_t requests_per_minute; /* limits: 0 is none */
    int64_t tokens_per_minute;
    int64_t input_tokens_per_minute;
    int64_t output_tokens_per_minute;
    int64_t requests_per_day;
    int64_t tokens_per_day;
    int64_t concurrent_calls;
    int64_t input_price; /* micro-dollars for a million tokens */
    int64_t cached_input_price;
    int64_t cache_write_price;
    int64_t output_price;
    int64_t reasoning_price;
    enum config_switch tools;
    enum config_switch images;
    enum config_switch structured_output;
    enum config_switch reasoning_effort;
    enum config_switch stream;
};

struct config {
    char *database_url; /* DATABASE_URL; default postgresql:///penstock */
    char *redis_url;    /* REDIS_URL; default redis://127.0.0.1:6379 */

    enum log_level log_level;   /* PENSTOCK_LOG_LEVEL, log.level */
    enum log_format log_format; /* PENSTOCK_LOG_FORMAT, log.format */

    struct {
        char *host;                    /* PENSTOCK_HOST; default 127.0.0.1 */
        int port;                      /* PENSTOCK_PORT; default 8080 */
        char *roles;                   /* PENSTOCK_ROLES, --roles; default
                                        * "api,dispatch,reap,batches,clock,outbox,retention" */
        char *metrics;                 /* PENSTOCK_METRICS: the page is on the API's port ("on", the
                                  * default), nowhere ("off"), or at "ADDRESS:PORT" */
        char *search;                  /* PENSTOCK_SEARCH: whose messages can be found: "users" (the
                                  * default: those of threads with a user), "all" or "off" */
        char *mcp_origins;             /* PENSTOCK_MCP_ORIGINS: web pages that may ask /mcp, as
                                        * "https://a.example, …"; default: none */
        int64_t drain_ms;              /* default 20 000 */
        int64_t run_ttl_ms;            /* a run not finished by then is expired; default 24 h */
        int64_t max_body_bytes;        /* default 4 MiB */
        int64_t max_connections;       /* default 30 000 */
        int64_t waiting_requests;      /* that wait for the end of a run; default 20 000 */
        int64_t response_wait_ms;      /* for the end of one that is asked for; default 590 000 */
        int64_t stream_readers;        /* of the events of runs, at once; default 20 000 */
        int64_t tenant_places_percent; /* of each of these two, for one tenant; default 50 */
        int64_t key_sockets;           /* of one API key, at once; default 2 000 */
        int64_t tenant_schedules;      /* of a tenant; default 10 000 */
        int64_t tenant_budgets;        /* the same; default 100 000 */
        int64_t gateway_calls;         /* of models for clients, at once; default 1000 */
        int64_t gateway_wait_ms;       /* that one stands in line for a limit; default 60 000 */
    } scheduler;

    struct {
        int slots;            /* PENSTOCK_SLOTS: runs at once; default 1 000 */
        char *host;           /* PENSTOCK_WORKER_HOST: health and metrics; default 127.0.0.1 */
        int port;             /* PENSTOCK_WORKER_PORT; 0: any free one; default 0 */
        int64_t lease_ms;     /* default 10 000 */
        int64_t heartbeat_ms; /* default 2 000 */
        int64_t drain_ms;     /* default 20 000 */
        int max_iterations;   /* LLM calls in a run unless its agent says otherwise; default 32 */
        int64_t tool_timeout_ms;  /* default 30 000 */
        int64_t answer_max_bytes; /* of what a model says in one reply; default 1 MiB */
        int64_t memory_bytes;     /* PENSTOCK_MEMORY_BYTES: of what runs hold beyond 256 KiB each;
                                   * default 512 MiB, so that a worker with the default of slots
                                   * stays below 1 GiB */
        char **private_addresses; /* exceptions to the SSRF guard: "127.0.0.1:9000", "10.0.0.0/8";
                                   * PENSTOCK_PRIVATE_ADDRESSES, with commas between */
        unsigned private_addresses_count;
    } worker;

    struct {
        int64_t max_bytes;      /* of the messages of a thread; default 50 MB */
        int64_t user_max_bytes; /* of all threads of a person; default 500 MB */
    } threads;

    struct {
        char *store;         /* PENSTOCK_FILES_STORE: where bytes of files go: "postgres" (the
                              * default), "directory" or "s3" */
        char *directory;     /* PENSTOCK_FILES_DIRECTORY */
        char *s3_endpoint;   /* PENSTOCK_S3_ENDPOINT: "https://s3.eu-central-1.amazonaws.com" */
        char *s3_bucket;     /* PENSTOCK_S3_BUCKET */
        char *s3_region;     /* PENSTOCK_S3_REGION; default us-east-1 */
        char *s3_access_key; /* PENSTOCK_S3_ACCESS_KEY */
        char *s3_secret_key; /* PENSTOCK_S3_SECRET_KEY. Never logged. */
        char *s3_addressing; /* PENSTOCK_S3_ADDRESSING: where the bucket's name stands: "path" (the
                              * default) or "host" */
        int64_t s3_timeout_ms;    /* for a request with all of its tries; default 60 000 */
        int64_t max_bytes;        /* of a file that comes at once; default 512 MiB */
        int64_t upload_max_bytes; /* of one that comes in parts; default 8 GiB */
        int64_t tenant_max_bytes; /* of all content of a tenant; default 100 GB */
        int64_t abandoned_ms; /* an upload without a byte for so long is given up; default 15 min */
    } files;

    struct {
        char *private_addresses; /* PENSTOCK_WEBHOOK_PRIVATE_ADDRESSES: exceptions to the SSRF guard
                                  * for webhooks, with commas between; default "": none */
        int64_t keep_days;       /* events and deliveries are shown for so long; default 7 */
    } webhooks;

    struct {
        int64_t pause_ms;    /* between two passes over what is to go; default 10 min */
        int64_t firing_days; /* what became of times of schedules is shown for so long; default
                              * 90 */
    } retention;
    /* Read, and refused where they are wrong, by shared/secrets/key_ring.h. */
    struct {
        char *master_key;      /* PENSTOCK_MASTER_KEY: what secrets of tenants are sealed under, and
                                * the keys before it. "": none. Never logged. */
        char *master_key_file; /* PENSTOCK_MASTER_KEY_FILE: the same from a file; "": none */
    } secrets;
    /* Of workers (worker/tools/sandbox). */
    struct {
        char *enabled;       /* PENSTOCK_CODE_INTERPRETER: "on" (the default: where a sandbox can be
                               * had), "off" */
        int slots;           /* programs at once in a worker; default 4 */
        int64_t wall_ms;     /* that a program may take; default 60 000 */
        int64_t cpu_seconds; /* of the processor, for each process; default 30 */
        int64_t memory_bytes; /* default 1 GiB */
        int64_t processes;    /* of a program; default 64 */
        int64_t disk_bytes;   /* of its files; default 64 MiB */
        int64_t output_bytes; /* that are kept of each of its outputs; default 64 KiB */
        int64_t first_uid;    /* of a thousand that a worker of root runs programs as; 59 100 */
        char *cgroups;        /* PENSTOCK_CODE_INTERPRETER_CGROUPS: folders of control groups in
                               * which new ones may be made, with commas between; "": none */
    } code_interpreter;

    /* Read, and refused where they are wrong, by shared/trace/tracer.h. */
    struct {
        char *endpoint;            /* OTEL_EXPORTER_OTLP_ENDPOINT; "": telemetry is off */
        char *traces_endpoint;     /* OTEL_EXPORTER_OTLP_TRACES_ENDPOINT */
        char *headers;             /* OTEL_EXPORTER_OTLP_HEADERS. Never logged. */
        char *service_name;        /* OTEL_SERVICE_NAME; "": the program's name */
        char *resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES */
        char *sampler;             /* OTEL_TRACES_SAMPLER */
        char *sampler_arg;         /* OTEL_TRACES_SAMPLER_ARG */
        char *content;             /* PENSTOCK_TELEMETRY_CONTENT: "off" (the default): nothing of
                                    * what people, models and tools say is in a span; "on" */
        char *tell_providers;      /* PENSTOCK_TELEMETRY_TELL_PROVIDERS: whether providers of models
                                    * are sent the traceparent; "off" or "on" */
    } telemetry;

    struct {
        char *robots; /* PENSTOCK_READ_PAGE_ROBOTS: whether robots.txt is obeyed: "obey" (the
                       * default), "agent" (an agent may say that it is not) or "ignore" */
    } read_page;

    struct {
        char
            *embedding_model; /* PENSTOCK_EMBEDDING_MODEL: makes the vectors of messages and of what
                                * is known of users; default "builtin/hashed-words-1" */
        int64_t learn_after_ms; /* PENSTOCK_LEARN_AFTER_MS: how long after the end of a run what was
                                 * said on its thread is gone through; default 60000 */
    } memory;

    char *default_provider; /* PENSTOCK_DEFAULT_PROVIDER: serves models that are named barely and
                             * not known; default "": none */
    int shards;             /* PENSTOCK_SHARDS: of the queue, 1 to 100; default 1 */

    struct config_search_engine *web_search;
    unsigned web_search_count;
    struct config_provider *providers;
    unsigned providers_count;
    struct config_model *models;
    unsigned models_count;
    struct config_mcp_server *mcp_servers;
    unsigned mcp_servers_count;
};

/* What flags said. */
#define CONFIG_FLAGS_MAX 16

struct config_flags {
    const char *file; /* --config; else PENSTOCK_CONFIG; else none */
    struct {
        const char *path; /* what it sets, as in the file: "scheduler.port" */
        const char *name; /* without the dashes: "port" */
        const char *value;
    } items[CONFIG_FLAGS_MAX];
    size_t count;
};

/* Adds what a flag said; of two for one path the later counts. The strings are borrowed. */
void config_flags_set(struct config_flags *flags, const char *path, const char *name,
                      const char *value);

/* Built-in providers: openai (https://api.openai.com/v1, OPENAI_API_KEY, OPENAI_BASE_URL), groq
 * (GROQ_API_KEY, GROQ_BASE_URL) and others (config_providers.c has the table), and local
 * (PENSTOCK_LOCAL_API_KEY, PENSTOCK_LOCAL_BASE_URL, default http://127.0.0.1:8000/v1; for vLLM,
 * llama.cpp, LM Studio). The file may change what it names of them; their variables outrank it.
 * Returns 0 with *out, or -E_INVALID or -E_NOT_FOUND (the file). `environment` is environ, or a
 * NULL-ended list in tests. */
MUSTCHECK int config_load(const struct config_flags *flags, char *const *environment,
                          struct config **out, struct error *err);
void config_free(struct config *config); /* accepts NULL */
void config_freep(struct config **config);

/* The key of a search engine, from its file where it is in one; "" where it has none. The caller
 * frees it. Returns 0, or -E_INVALID or -E_SYSTEM with what is wrong with the file. */
MUSTCHECK int config_search_key(const struct config_search_engine *engine, char **out,
                                struct error *err);

/* As config_load, for a program that runs: a file that can't be read twice (a pipe, standard input)
 * is -E_INVALID, since what is left of it would pass for one that says nothing. */
MUSTCHECK int config_load_again(const struct config_flags *flags, char *const *environment,
                                struct config **out, struct error *err);

/* Takes over from `loaded` the numbers that may change while a program runs: those of
 * docs/configuration.md. Appends the names of those that changed to `changed`, and of settings that
 * differ but need a new start to `left`, with ", " between. `program` is "scheduler" or "worker":
 * what concerns the other one is passed over. Providers, models, default_provider and
 * memory.embedding_model are not looked at: they are the registry's
 * (providers/models/registry_reload.h). */
void config_take_over(struct config *running, const struct config *loaded, const char *program,
                      struct buf *changed, struct buf *left);

/* Reads a list of models as the file has it (`models: [...]`) from a text; `name` is its name for
 * messages. Returns 0 with *out, whose `count` entries the caller gives to config_models_free, or
 * -E_INVALID. */
MUSTCHECK int config_models_read(const char *name, struct text text, struct config_model **out,
                                 unsigned *count, struct error *err);
void config_models_free(struct config_model *models, unsigned count);

/* Whether two say the same of all there is to say. Pure. */
bool config_provider_equal(const struct config_provider *one, const struct config_provider *other);
bool config_model_equal(const struct config_model *one, const struct config_model *other);

/* What a scheduler does, as bits. */
enum {
    ROLE_API = 1,
    ROLE_DISPATCH = 2,
    ROLE_REAP = 4,
    ROLE_BATCHES = 8,
    ROLE_CLOCK = 16,
    ROLE_OUTBOX = 32,
    ROLE_RETENTION = 64,
    ROLES_ALL = 127
};

/* "api,dispatch,reap" as bits. False, output untouched, when it is not that: then config_load
 * refused it. Pure. */
MUSTCHECK bool config_roles(const char *words, unsigned *out);

/* "127.0.0.1:9090" and "::1:0" as an address to listen on and a port (0: any free one). False,
 * outputs untouched, when it is not that. Pure. */
#define CONFIG_HOST_SIZE 46
MUSTCHECK bool config_split_address(const char *value, char host[CONFIG_HOST_SIZE], int *port);

/* Whether the configuration reads a variable: one of its own, or one that the text of a file (may
 * be "") names in ${...}. Pure. */
bool config_reads(const char *variable, const char *file_text);

/* Replaces ${NAME} and ${NAME:-default} (also when NAME is empty); "$$" is a dollar. Lines that are
 * comments stay as they are. Returns 0 with *out (the caller frees), or -E_INVALID with line and
 * column when NAME is not set or holds a line break, or the brace is not closed. */
MUSTCHECK int config_substitute(const char *text, char *const *environment, char **out,
                                struct error *err);
