#pragma once
/* What the files of shared/config share. Nobody else includes it. */

#include <yaml.h>

#include "shared/base/text.h"
#include "shared/config/config.h"

#define CONFIG_FILE_BYTES_MAX ((size_t)1 << 20)

/* The file as its schema has it: NULL where it says nothing. */
struct config_file_provider {
    char *name;
    char *kind;
    char *base_url;
    char *api_key;
    char **api_keys;
    unsigned api_keys_count;
    char **headers;
    unsigned headers_count;
    int64_t *connect_timeout_ms;
    int64_t *first_byte_timeout_ms;
    int64_t *idle_timeout_ms;
    int64_t *total_timeout_ms;
    int64_t *concurrent_calls;
    char *stream;
    char *native_state;
};

struct config_file_model {
    char *name;
    char *provider;
    char *model;
    int64_t *context_tokens;
    int64_t *output_tokens;
    int64_t *requests_per_minute;
    int64_t *tokens_per_minute;
    int64_t *input_tokens_per_minute;
    int64_t *output_tokens_per_minute;
    int64_t *requests_per_day;
    int64_t *tokens_per_day;
    int64_t *concurrent_calls;
    int64_t *input_price;
    int64_t *cached_input_price;
    int64_t *cache_write_price;
    int64_t *output_price;
    int64_t *reasoning_price;
    char *tools;
    char *images;
    char *structured_output;
    char *reasoning_effort;
    char *stream;
};

struct config_file_mcp_oauth {
    char *token_url;
    char *client_id;
    char *client_secret;
    char *scopes;
};

struct config_file_mcp_server {
    char *label;
    char *url;
    char **headers;
    unsigned headers_count;
    struct config_file_mcp_oauth *oauth;
    char *command;
    char **args;
    unsigned args_count;
    char **env;
    unsigned env_count;
    char **read;
    unsigned read_count;
    char **write;
    unsigned write_count;
    char *network;
    char *sandbox;
};

struct config_file_log {
    char *level;
    char *format;
};

struct config_file_scheduler {
    char *host;
    int64_t *port;
    char *roles;
    char *metrics;
    char *search;
    char *mcp_origins;
    int64_t *drain_ms;
    int64_t *run_ttl_ms;
    int64_t *max_body_bytes;
    int64_t *max_connections;
    int64_t *waiting_requests;
    int64_t *response_wait_ms;
    int64_t *stream_readers;
    int64_t *tenant_places_percent;
    int64_t *key_sockets;
    int64_t *tenant_schedules;
    int64_t *tenant_budgets;
    int64_t *gateway_calls;
    int64_t *gateway_wait_ms;
};

struct config_file_worker {
    int64_t *slots;
    char *host;
    int64_t *port;
    int64_t *lease_ms;
    int64_t *heartbeat_ms;
    int64_t *drain_ms;
    int64_t *max_iterations;
    int64_t *tool_timeout_ms;
    int64_t *answer_max_bytes;
    int64_t *memory_bytes;
    char **private_addresses;
    unsigned private_addresses_count;
};

struct config_file_threads {
    int64_t *max_bytes;
    int64_t *user_max_bytes;
};

struct config_file_webhooks {
    char *private_addresses;
    int64_t *keep_days;
};

struct config_file_retention {
    int64_t *pause_ms;
    int64_t *firing_days;
};

struct config_file_files {
    char *store;
    char *directory;
    char *s3_endpoint;
    char *s3_bucket;
    char *s3_region;
    char *s3_access_key;
    char *s3_secret_key;
    char *s3_addressing;
    int64_t *s3_timeout_ms;
    int64_t *max_bytes;
    int64_t *upload_max_bytes;
    int64_t *tenant_max_bytes;
    int64_t *abandoned_ms;
};

struct config_file_secrets {
    char *master_key;
    char *master_key_file;
};

struct config_file_code_interpreter {
    char *enabled;
    int64_t *slots;
    int64_t *wall_ms;
    int64_t *cpu_seconds;
    int64_t *memory_bytes;
    int64_t *processes;
    int64_t *disk_bytes;
    int64_t *output_bytes;
    int64_t *first_uid;
    char *cgroups;
};

struct config_file_memory {
    char *embedding_model;
    int64_t *learn_after_ms;
};

struct config_file_read_page {
    char *robots;
};

struct config_file_search_engine {
    char *name;
    char *kind;
    char *base_url;
    char *api_key;
    char *api_key_file;
    int64_t *requests_per_minute;
    int64_t *interval_ms;
    int64_t *timeout_ms;
};

struct config_file_telemetry {
    char *endpoint;
    char *traces_endpoint;
    char *headers;
    char *service_name;
    char *resource_attributes;
    char *sampler;
    char *sampler_arg;
    char *content;
    char *tell_providers;
};

struct config_file_data {
    char *database_url;
    char *redis_url;
    char *default_provider;
    int64_t *shards;
    struct config_file_log log;
    struct config_file_scheduler scheduler;
    struct config_file_worker worker;
    struct config_file_threads threads;
    struct config_file_files files;
    struct config_file_webhooks webhooks;
    struct config_file_retention retention;
    struct config_file_secrets secrets;
    struct config_file_code_interpreter code_interpreter;
    struct config_file_telemetry telemetry;
    struct config_file_read_page read_page;
    struct config_file_memory memory;
    struct config_file_search_engine *web_search;
    unsigned web_search_count;
    struct config_file_provider *providers;
    unsigned providers_count;
    struct config_file_model *models;
    unsigned models_count;
    struct config_file_mcp_server *mcp_servers;
    unsigned mcp_servers_count;
};

/* A file that was read: its values, and its nodes for telling where a value stands. */
struct config_file {
    const char *path;
    struct config_file_data *data; /* NULL: the file is empty */
    yaml_document_t document;
    bool has_document;
};

/* Reads, substitutes and parses. Returns 0, -E_NOT_FOUND (no such file), -E_INVALID, -E_LIMIT, or
 * -E_SYSTEM. config_file_deinit also after a failure; `path` must live as long. */
MUSTCHECK int config_file_read(const char *path, char *const *environment, struct config_file *out,
                               struct error *err);
void config_file_deinit(struct config_file *file);

/* The same of a text that was read already; `file->path` names it. Returns 0, -E_INVALID or
 * -E_LIMIT. config_file_deinit also after a failure. */
MUSTCHECK int config_file_parse(struct config_file *file, struct text text, struct error *err);

/* Writes "FILE:LINE:COLUMN: WHERE" (or without the numbers when there is no such node) for a path
 * such as "scheduler.port" or "providers[1].base_url". */
void config_file_where(struct config_file *file, const char *where, char *out, size_t size);

/* The value of a variable, or NULL when it is unset or empty. */
const char *config_variable(char *const *environment, const char *name);

/* Scalars: defaults, file, environment and flags. Returns 0 or -E_INVALID. */
MUSTCHECK int config_apply_scalars(struct config *config, struct config_file *file,
                                   char *const *environment, const struct config_flags *flags,
                                   struct error *err);

/* Providers, models, search engines and private addresses. Returns 0 or -E_INVALID. */
MUSTCHECK int config_apply_providers(struct config *config, struct config_file *file,
                                     char *const *environment, struct error *err);
MUSTCHECK int config_apply_models(struct config *config, struct config_file *file,
                                  struct error *err);
MUSTCHECK int config_apply_search(struct config *config, struct config_file *file,
                                  struct error *err);
MUSTCHECK int config_apply_mcp_servers(struct config *config, struct config_file *file,
                                       struct error *err);
void config_mcp_servers_free(struct config *config);
MUSTCHECK int config_apply_private_addresses(struct config *config, struct config_file *file,
                                             char *const *environment, struct error *err);

/* An entry of a list: "providers[2].base_url" and, with the file, "penstock.yaml:7:5:
 * providers[2].base_url". */
struct config_place {
    struct config_file *file;
    const char *list;
    unsigned index;
};

/* Says what is wrong with a member ("" is the entry itself). Returns -E_INVALID. */
int config_complain(const struct config_place *place, const char *member, const char *complaint,
                    struct error *err);

/* Checks a member that may be NULL. Returns 0 or -E_INVALID. */
MUSTCHECK int config_check_member(const struct config_place *place, const char *member,
                                  const char *value, const char *(*check)(const char *value),
                                  struct error *err);

/* "true", "false", or NULL for CONFIG_UNSET. False, output untouched, for anything else. */
MUSTCHECK bool config_switch_of(const char *word, enum config_switch *out);

/* Checks of single values. Each returns NULL when it is right, or a phrase that says what would be:
 * "must be …". They never show the value: it may hold a password. */
const char *config_check_http_url(const char *value);
const char *config_check_database_url(const char *value);
const char *config_check_redis_url(const char *value);
const char *config_check_host(const char *value);
const char *config_check_roles(const char *value);
const char *config_check_search(const char *value);
const char *config_check_files_store(const char *value);
const char *config_check_directory(const char *value);
const char *config_check_directories(const char *value);
const char *config_check_endpoint(const char *value);
const char *config_check_bucket(const char *value);
const char *config_check_optional_name(const char *value);
const char *config_check_optional_secret(const char *value);
const char *config_check_addressing(const char *value);
const char *config_check_optional_url(const char *value);
const char *config_check_on_off(const char *value);
const char *config_check_robots(const char *value);
const char *config_check_metrics(const char *value);
const char *config_check_name(const char *value);
const char *config_check_header(const char *value);
const char *config_check_secret(const char *value);
const char *config_check_private_address(const char *value);

/* Whether a variable is that of a scalar setting; of a built-in provider. */
bool config_scalars_read(const char *variable);
bool config_providers_read(const char *variable);

/* Whether a text names a variable, as in ${NAME} or ${NAME:-default}. */
bool config_text_names(struct text text, const char *variable);
