/* What may stand in the configuration file, as libcyaml's tables. What is right for a value is said
 * elsewhere: config_scalars.c, and a file for each list. */

#include "shared/config/config_schema.h"

#include "shared/config/config_internal.h"

#define STRING_MAX 65536
#define LIST_MAX   1000

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define STRING(type, member)                                                                       \
    CYAML_FIELD_STRING_PTR(#member, OPTIONAL, struct config_file_##type, member, 0, STRING_MAX)
#define INTEGER(type, member)                                                                      \
    CYAML_FIELD_INT_PTR(#member, OPTIONAL, struct config_file_##type, member)
#define SEQUENCE(type, member, entry)                                                              \
    CYAML_FIELD_SEQUENCE(#member, OPTIONAL, struct config_file_##type, member, entry, 0, LIST_MAX)

static const cyaml_schema_value_t string_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, STRING_MAX),
};

static const cyaml_schema_field_t provider_fields[] = {
    STRING(provider, name),
    STRING(provider, kind),
    STRING(provider, base_url),
    STRING(provider, api_key),
    SEQUENCE(provider, api_keys, &string_schema),
    SEQUENCE(provider, headers, &string_schema),
    INTEGER(provider, connect_timeout_ms),
    INTEGER(provider, first_byte_timeout_ms),
    INTEGER(provider, idle_timeout_ms),
    INTEGER(provider, total_timeout_ms),
    INTEGER(provider, concurrent_calls),
    STRING(provider, stream),
    STRING(provider, native_state),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t model_fields[] = {
    STRING(model, name),
    STRING(model, provider),
    STRING(model, model),
    INTEGER(model, context_tokens),
    INTEGER(model, output_tokens),
    INTEGER(model, requests_per_minute),
    INTEGER(model, tokens_per_minute),
    INTEGER(model, input_tokens_per_minute),
    INTEGER(model, output_tokens_per_minute),
    INTEGER(model, requests_per_day),
    INTEGER(model, tokens_per_day),
    INTEGER(model, concurrent_calls),
    INTEGER(model, input_price),
    INTEGER(model, cached_input_price),
    INTEGER(model, cache_write_price),
    INTEGER(model, output_price),
    INTEGER(model, reasoning_price),
    STRING(model, tools),
    STRING(model, images),
    STRING(model, structured_output),
    STRING(model, reasoning_effort),
    STRING(model, stream),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t log_fields[] = {
    STRING(log, level),
    STRING(log, format),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t scheduler_fields[] = {
    STRING(scheduler, host),
    INTEGER(scheduler, port),
    STRING(scheduler, roles),
    STRING(scheduler, metrics),
    STRING(scheduler, search),
    STRING(scheduler, mcp_origins),
    INTEGER(scheduler, drain_ms),
    INTEGER(scheduler, run_ttl_ms),
    INTEGER(scheduler, max_body_bytes),
    INTEGER(scheduler, max_connections),
    INTEGER(scheduler, waiting_requests),
    INTEGER(scheduler, response_wait_ms),
    INTEGER(scheduler, stream_readers),
    INTEGER(scheduler, tenant_places_percent),
    INTEGER(scheduler, key_sockets),
    INTEGER(scheduler, tenant_schedules),
    INTEGER(scheduler, tenant_budgets),
    INTEGER(scheduler, gateway_calls),
    INTEGER(scheduler, gateway_wait_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t worker_fields[] = {
    INTEGER(worker, slots),
    STRING(worker, host),
    INTEGER(worker, port),
    INTEGER(worker, lease_ms),
    INTEGER(worker, heartbeat_ms),
    INTEGER(worker, drain_ms),
    INTEGER(worker, max_iterations),
    INTEGER(worker, tool_timeout_ms),
    INTEGER(worker, answer_max_bytes),
    INTEGER(worker, memory_bytes),
    SEQUENCE(worker, private_addresses, &string_schema),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t threads_fields[] = {
    INTEGER(threads, max_bytes),
    INTEGER(threads, user_max_bytes),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t webhooks_fields[] = {
    STRING(webhooks, private_addresses),
    INTEGER(webhooks, keep_days),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t retention_fields[] = {
    INTEGER(retention, pause_ms),
    INTEGER(retention, firing_days),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t files_fields[] = {
    STRING(files, store),
    STRING(files, directory),
    STRING(files, s3_endpoint),
    STRING(files, s3_bucket),
    STRING(files, s3_region),
    STRING(files, s3_access_key),
    STRING(files, s3_secret_key),
    STRING(files, s3_addressing),
    INTEGER(files, s3_timeout_ms),
    INTEGER(files, max_bytes),
    INTEGER(files, upload_max_bytes),
    INTEGER(files, tenant_max_bytes),
    INTEGER(files, abandoned_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t secrets_fields[] = {
    STRING(secrets, master_key),
    STRING(secrets, master_key_file),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t code_interpreter_fields[] = {
    STRING(code_interpreter, enabled),
    INTEGER(code_interpreter, slots),
    INTEGER(code_interpreter, wall_ms),
    INTEGER(code_interpreter, cpu_seconds),
    INTEGER(code_interpreter, memory_bytes),
    INTEGER(code_interpreter, processes),
    INTEGER(code_interpreter, disk_bytes),
    INTEGER(code_interpreter, output_bytes),
    INTEGER(code_interpreter, first_uid),
    STRING(code_interpreter, cgroups),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t telemetry_fields[] = {
    STRING(telemetry, endpoint),
    STRING(telemetry, traces_endpoint),
    STRING(telemetry, headers),
    STRING(telemetry, service_name),
    STRING(telemetry, resource_attributes),
    STRING(telemetry, sampler),
    STRING(telemetry, sampler_arg),
    STRING(telemetry, content),
    STRING(telemetry, tell_providers),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t provider_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_provider, provider_fields),
};

static const cyaml_schema_field_t search_engine_fields[] = {
    STRING(search_engine, name),
    STRING(search_engine, kind),
    STRING(search_engine, base_url),
    STRING(search_engine, api_key),
    STRING(search_engine, api_key_file),
    INTEGER(search_engine, requests_per_minute),
    INTEGER(search_engine, interval_ms),
    INTEGER(search_engine, timeout_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t memory_fields[] = {
    STRING(memory, embedding_model),
    INTEGER(memory, learn_after_ms),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t read_page_fields[] = {
    STRING(read_page, robots),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t search_engine_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_search_engine, search_engine_fields),
};

static const cyaml_schema_value_t model_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_model, model_fields),
};

static const cyaml_schema_field_t mcp_oauth_fields[] = {
    STRING(mcp_oauth, token_url),
    STRING(mcp_oauth, client_id),
    STRING(mcp_oauth, client_secret),
    STRING(mcp_oauth, scopes),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t mcp_server_fields[] = {
    STRING(mcp_server, label),
    STRING(mcp_server, url),
    SEQUENCE(mcp_server, headers, &string_schema),
    CYAML_FIELD_MAPPING_PTR("oauth", OPTIONAL, struct config_file_mcp_server, oauth,
                            mcp_oauth_fields),
    STRING(mcp_server, command),
    SEQUENCE(mcp_server, args, &string_schema),
    SEQUENCE(mcp_server, env, &string_schema),
    SEQUENCE(mcp_server, read, &string_schema),
    SEQUENCE(mcp_server, write, &string_schema),
    STRING(mcp_server, network),
    STRING(mcp_server, sandbox),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t mcp_server_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_file_mcp_server, mcp_server_fields),
};

static const cyaml_schema_field_t file_fields[] = {
    STRING(data, database_url),
    STRING(data, redis_url),
    STRING(data, default_provider),
    INTEGER(data, shards),
    CYAML_FIELD_MAPPING("log", CYAML_FLAG_OPTIONAL, struct config_file_data, log, log_fields),
    CYAML_FIELD_MAPPING("scheduler", CYAML_FLAG_OPTIONAL, struct config_file_data, scheduler,
                        scheduler_fields),
    CYAML_FIELD_MAPPING("worker", CYAML_FLAG_OPTIONAL, struct config_file_data, worker,
                        worker_fields),
    CYAML_FIELD_MAPPING("threads", CYAML_FLAG_OPTIONAL, struct config_file_data, threads,
                        threads_fields),
    CYAML_FIELD_MAPPING("files", CYAML_FLAG_OPTIONAL, struct config_file_data, files, files_fields),
    CYAML_FIELD_MAPPING("webhooks", CYAML_FLAG_OPTIONAL, struct config_file_data, webhooks,
                        webhooks_fields),
    CYAML_FIELD_MAPPING("retention", CYAML_FLAG_OPTIONAL, struct config_file_data, retention,
                        retention_fields),
    CYAML_FIELD_MAPPING("secrets", CYAML_FLAG_OPTIONAL, struct config_file_data, secrets,
                        secrets_fields),
    CYAML_FIELD_MAPPING("code_interpreter", CYAML_FLAG_OPTIONAL, struct config_file_data,
                        code_interpreter, code_interpreter_fields),
    CYAML_FIELD_MAPPING("telemetry", CYAML_FLAG_OPTIONAL, struct config_file_data, telemetry,
                        telemetry_fields),
    CYAML_FIELD_MAPPING("read_page", CYAML_FLAG_OPTIONAL, struct config_file_data, read_page,
                        read_page_fields),
    CYAML_FIELD_MAPPING("memory", CYAML_FLAG_OPTIONAL, struct config_file_data, memory,
                        memory_fields),
    SEQUENCE(data, web_search, &search_engine_schema),
    SEQUENCE(data, providers, &provider_schema),
    SEQUENCE(data, models, &model_schema),
    SEQUENCE(data, mcp_servers, &mcp_server_schema),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_file_data, file_fields),
};
