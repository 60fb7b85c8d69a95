#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/config/config.h"
#include "tests/unit/support/config_of.h"

static char *no_environment[] = {NULL};

static char path[64];

static struct config *load(const char *text, char **environment, const struct config_flags *flags)
{
    struct config_flags given = flags ? *flags : (struct config_flags){0};
    struct config *config = NULL;
    struct error err;
    int r;

    if (text) {
        config_write(text, path);
        given.file = path;
    }
    r = config_load(&given, environment ? environment : no_environment, &config, &err);
    if (text)
        unlink(path);
    cr_assert_eq(r, 0, "%s", err.text);
    return config;
}

/* The error must hold `text`; "FILE" in it stands for the name of the file. */
static void check_refused(const char *file, char **environment, const char *text)
{
    struct config_flags flags = {0};
    struct config *config = NULL;
    struct error err = {0};
    char expected[300];
    int r;

    if (file) {
        config_write(file, path);
        flags.file = path;
    }
    r = config_load(&flags, environment ? environment : no_environment, &config, &err);
    if (file)
        unlink(path);
    cr_assert_eq(r, -E_INVALID, "%d %s", r, err.text);
    cr_assert(config == NULL);
    if (strncmp(text, "FILE", 4) == 0)
        (void)snprintf(expected, sizeof(expected), "%s%s", path, text + 4);
    else
        (void)snprintf(expected, sizeof(expected), "%s", text);
    cr_assert(strncmp(err.text, expected, strlen(expected)) == 0, "got: %s\nexpected: %s", err.text,
              expected);
}

static const struct config_provider *provider(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->providers_count; i++)
        if (strcmp(config->providers[i].name, name) == 0)
            return &config->providers[i];
    cr_assert_fail("no provider %s", name);
    return NULL;
}

Test(load, gives_defaults_when_nothing_is_said)
{
    struct config *config = load(NULL, NULL, NULL);

    cr_assert_str_eq(config->database_url, "postgresql:///penstock");
    cr_assert_str_eq(config->redis_url, "redis://127.0.0.1:6379");
    cr_assert_str_eq(config->scheduler.host, "127.0.0.1");
    cr_assert_eq(config->scheduler.port, 8080);
    cr_assert_str_eq(config->scheduler.roles, "api,dispatch,reap,batches,clock,outbox,retention");
    cr_assert_eq(config->scheduler.run_ttl_ms, 86400000);
    cr_assert_eq(config->scheduler.max_body_bytes, 4 << 20);
    cr_assert_eq(config->worker.slots, 1000);
    cr_assert_eq(config->worker.max_iterations, 32);
    cr_assert_eq(config->worker.port, 0);
    cr_assert_eq(config->shards, 1);
    cr_assert_eq(config->log_level, LOG_LEVEL_INFO);
    cr_assert_eq(config->providers_count, 10);
    cr_assert_str_eq(provider(config, "openai")->base_url, "https://api.openai.com/v1");
    cr_assert_str_eq(provider(config, "openai")->api_key, "");
    cr_assert_str_eq(provider(config, "openai")->kind, "openai_chat");
    cr_assert_eq(provider(config, "openai")->total_timeout_ms, 600000);
    cr_assert_str_eq(provider(config, "anthropic")->kind, "anthropic");
    cr_assert_str_eq(provider(config, "anthropic")->base_url, "https://api.anthropic.com/v1");
    cr_assert_str_eq(provider(config, "google")->kind, "gemini");
    cr_assert_str_eq(provider(config, "ollama")->kind, "ollama");
    cr_assert_str_eq(provider(config, "ollama")->base_url, "http://127.0.0.1:11434");
    cr_assert_eq(config->models_count, 0);
    config_free(config);
}

Test(load, reads_every_part_of_a_file)
{
    struct config *config =
        load("database_url: postgresql://u:p@db:5432/x\n"
             "redis_url: redis://cache:6380/1\n"
             "shards: 4\n"
             "log: {level: debug, format: json}\n"
             "scheduler:\n"
             "  host: 0.0.0.0\n"
             "  port: 9000\n"
             "  max_connections: 5\n"
             "worker:\n"
             "  slots: 7\n"
             "  private_addresses: ['127.0.0.1:9000', 10.0.0.0/8]\n"
             "providers:\n"
             "  - name: mine\n"
             "    base_url: http://llm:8000/v1/\n"
             "    api_key: secret\n"
             "    headers: ['X-Team: search']\n"
             "    total_timeout_ms: 1000\n"
             "    idle_timeout_ms: 30\n"
             "    stream: true\n"
             "    native_state: true\n"
             "models:\n"
             "  - {name: fast, provider: mine, model: tiny, context_tokens: 8192}\n"
             "  - name: slow\n"
             "    provider: mine\n"
             "    requests_per_minute: 0\n"
             "    tokens_per_day: 1000000000000\n"
             "    output_price: 600000\n"
             "    tools: false\n"
             "    images: true\n"
             "    stream: false\n",
             NULL, NULL);

    cr_assert_str_eq(config->database_url, "postgresql://u:p@db:5432/x");
    cr_assert_str_eq(config->redis_url, "redis://cache:6380/1");
    cr_assert_eq(config->shards, 4);
    cr_assert_eq(config->log_level, LOG_LEVEL_DEBUG);
    cr_assert_eq(config->log_format, LOG_FORMAT_JSON);
    cr_assert_eq(config->scheduler.port, 9000);
    cr_assert_eq(config->scheduler.max_connections, 5);
    cr_assert_eq(config->worker.slots, 7);
    cr_assert_eq(config->worker.private_addresses_count, 2);
    cr_assert_str_eq(config->worker.private_addresses[1], "10.0.0.0/8");
    cr_assert_str_eq(provider(config, "mine")->base_url, "http://llm:8000/v1");
    cr_assert_str_eq(provider(config, "mine")->kind, "openai_chat");
    cr_assert_eq(provider(config, "mine")->native_state, CONFIG_ON);
    cr_assert_eq(provider(config, "openai")->native_state, CONFIG_UNSET);
    cr_assert_str_eq(provider(config, "mine")->headers[0], "X-Team: search");
    cr_assert_eq(provider(config, "mine")->total_timeout_ms, 1000);
    cr_assert_eq(provider(config, "mine")->idle_timeout_ms, 30);
    cr_assert_eq(provider(config, "mine")->stream, CONFIG_ON);
    cr_assert_eq(provider(config, "openai")->stream, CONFIG_UNSET);
    cr_assert_eq(config->models_count, 2);
    cr_assert_str_eq(config->models[0].model, "tiny");
    cr_assert_eq(config->models[0].context_tokens, 8192);
    cr_assert_eq(config->models[0].requests_per_minute, -1);
    cr_assert_eq(config->models[0].tools, CONFIG_UNSET);
    cr_assert_str_eq(config->models[1].model, "slow");
    cr_assert_eq(config->models[1].requests_per_minute, 0);
    cr_assert_eq(config->models[1].tokens_per_day, 1000000000000);
    cr_assert_eq(config->models[1].output_price, 600000);
    cr_assert_eq(config->models[1].input_price, -1);
    cr_assert_eq(config->models[1].tools, CONFIG_OFF);
    cr_assert_eq(config->models[1].images, CONFIG_ON);
    cr_assert_eq(config->models[1].stream, CONFIG_OFF);
    config_free(config);
}

Test(load, lets_the_environment_outrank_the_file_and_flags_outrank_both)
{
    char *environment[] = {"PENSTOCK_PORT=9001", "PENSTOCK_SLOTS=11", "DATABASE_URL=host=x",
                           "PENSTOCK_LOG_LEVEL=", NULL};
    struct config_flags flags = {0};
    struct config *config;

    config_flags_set(&flags, "scheduler.port", "port", "9001");
    config_flags_set(&flags, "scheduler.port", "port", "9002");
    config_flags_set(&flags, "scheduler.roles", "roles", "api");
    config = load("scheduler: {port: 9000}\nworker: {slots: 5}\nlog: {level: warn}\n", environment,
                  &flags);

    cr_assert_eq(config->scheduler.port, 9002);
    cr_assert_eq(config->worker.port, 0);
    cr_assert_eq(config->worker.slots, 11);
    cr_assert_str_eq(config->scheduler.roles, "api");
    cr_assert_str_eq(config->database_url, "host=x");
    cr_assert_eq(config->log_level, LOG_LEVEL_WARN);
    config_free(config);
}

Test(load, finds_the_file_by_its_variable)
{
    char variable[80];
    char *environment[] = {variable, "P=8123", NULL};
    struct config *config = NULL;
    struct error err;

    config_write("scheduler: {port: \"${P}\"}\n", path);
    (void)snprintf(variable, sizeof(variable), "PENSTOCK_CONFIG=%s", path);
    cr_assert_eq(config_load(NULL, environment, &config, &err), 0);
    unlink(path);
    cr_assert_eq(config->scheduler.port, 8123);
    config_free(config);
}

Test(load, takes_keys_and_urls_of_builtin_providers_from_the_environment)
{
    char *environment[] = {"OPENAI_API_KEY=sk-1", "OPENAI_BASE_URL=http://127.0.0.1:9/v1",
                           "GROQ_API_KEY=g", "GEMINI_API_KEY=AIza", NULL};
    struct config *config =
        load("providers: [{name: openai, headers: ['A: b'], api_key: other}]\n", environment, NULL);

    cr_assert_eq(config->providers_count, 10);
    cr_assert_str_eq(provider(config, "openai")->api_key, "sk-1");
    cr_assert_str_eq(provider(config, "openai")->base_url, "http://127.0.0.1:9/v1");
    cr_assert_eq(provider(config, "openai")->headers_count, 1);
    cr_assert_str_eq(provider(config, "groq")->api_key, "g");
    cr_assert_str_eq(provider(config, "google")->api_key, "AIza");
    config_free(config);
}

Test(load, takes_private_addresses_from_the_environment_in_place_of_the_files)
{
    char *environment[] = {"PENSTOCK_PRIVATE_ADDRESSES=127.0.0.1:80, fd00::/8", NULL};
    struct config *config = load("worker: {private_addresses: [10.0.0.0/8]}\n", environment, NULL);

    cr_assert_eq(config->worker.private_addresses_count, 2);
    cr_assert_str_eq(config->worker.private_addresses[1], "fd00::/8");
    config_free(config);
}

Test(load, accepts_an_empty_file)
{
    config_free(load("", NULL, NULL));
    config_free(load("# nothing\n", NULL, NULL));
}

Test(load, says_which_file_is_missing)
{
    struct config_flags flags = {.file = "/nonexistent/penstock.yaml"};
    struct config *config;
    struct error err;

    cr_assert_eq(config_load(&flags, no_environment, &config, &err), -E_NOT_FOUND);
    cr_assert(strstr(err.text, "/nonexistent/penstock.yaml"));
}

Test(load, says_where_the_syntax_of_a_file_is_wrong)
{
    check_refused("a: [1\nb: 2\n", NULL, "FILE:2:");
    check_refused("scheduler:\n\tport: 1\n", NULL, "FILE:2:1: found character");
}

Test(load, says_where_a_value_has_the_wrong_type)
{
    check_refused("scheduler:\n  port: abc\n", NULL,
                  "FILE:2:9: scheduler.port: must be a whole number, not 'abc'");
    check_refused("models:\n - name: x\n   context_tokens: y\n", NULL,
                  "FILE:3:20: models[0].context_tokens: must be a whole number");
    check_refused("scheduler: 4\n", NULL, "FILE:1:12: scheduler: must be a mapping");
    check_refused(
        "providers: {a: b}\n", NULL,
        "FILE:1:12: providers: must be a list (lines that begin with \"- \"), not a mapping");
    check_refused("scheduler: []\n", NULL,
                  "FILE:1:12: scheduler: must be a mapping (name: value), not a list");
    check_refused(
        "mcp_servers:\n  - {label: a, url: 'https://a.example', headers: {A: b}}\n", NULL,
        "FILE:2:51: mcp_servers[0].headers: must be a list (['Name: value']), not a mapping");
    check_refused(
        "mcp_servers:\n  - {label: a, command: /usr/bin/a, env: A=b}\n", NULL,
        "FILE:2:42: mcp_servers[0].env: must be a list (['NAME=value']), not a single value");
    check_refused("mcp_servers:\n  - {server_label: a}\n", NULL,
                  "FILE:2:6: mcp_servers[0]: there is no such setting: server_label; did you mean "
                  "\"label\"?");
}

Test(load, says_where_an_unknown_setting_stands)
{
    check_refused("scheduler:\n  port: 1\n  prot: 1\n", NULL,
                  "FILE:3:3: scheduler: there is no such setting: prot; did you mean \"port\"?");
    check_refused("models:\n - {name: m, provider: openai, requests_per_minuet: 1}\n", NULL,
                  "FILE:2:32: models[0]: there is no such setting: requests_per_minuet;"
                  " did you mean \"requests_per_minute\"?");
    check_refused("modles: []\n", NULL,
                  "FILE:1:1: there is no such setting: modles; did you mean \"models\"?");
    check_refused("providers:\n - {name: x, api_keys: [{key: y}]}\n", NULL, "FILE:2:");
    check_refused("shards: 1\nshards: 2\n", NULL, "FILE:1:9: shards: is there twice");
}

Test(load, says_where_a_variable_is_missing)
{
    check_refused("shards: 1\nredis_url: ${NOPE}\n", NULL,
                  "FILE:2:12: the environment variable NOPE is not set");
}

Test(load, checks_ranges_and_names_the_place_or_the_variable)
{
    char *environment[] = {"PENSTOCK_PORT=99999", NULL};
    char *word[] = {"PENSTOCK_SLOTS=many", NULL};

    check_refused("scheduler:\n  port: 70000\n", NULL,
                  "FILE:2:9: scheduler.port must be 0 to 65535, not 70000");
    check_refused(NULL, environment, "PENSTOCK_PORT must be 0 to 65535, not 99999");
    check_refused(NULL, word, "PENSTOCK_SLOTS must be a whole number, not \"many\"");
    check_refused("worker: {lease_ms: 3000}\n", NULL,
                  "FILE:1:20: worker.lease_ms must be at least three times");
}

Test(load, takes_whole_numbers_only_in_the_one_way_all_read_alike)
{
    check_refused("worker: {slots: 1.5}\n", NULL,
                  "FILE:1:17: slots: must be a whole number without leading zeros, not 1.5");
    check_refused("models:\n - {name: m, provider: openai, input_price: 0.15}\n", NULL,
                  "FILE:2:45: input_price: must be a whole number without leading zeros, not 0.15"
                  " (micro-dollars for a million tokens: 0.15 dollars are 150000)");
    check_refused("worker:\n  slots: 010\n", NULL, "FILE:2:10: slots: must be a whole number");
    check_refused("shards: 0x10\n", NULL, "FILE:1:9: shards: must be a whole number");
    check_refused("providers:\n - {name: openai, total_timeout_ms: 1e3}\n", NULL,
                  "FILE:2:37: total_timeout_ms: must be a whole number");
    check_refused("models:\n - {name: m, provider: openai, model: x, context_tokens: 32_000}\n",
                  NULL, "FILE:2:");
}

Test(load, bounds_depth_and_takes_one_document_alone)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    buf_init(&text, 0);
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, '[');
    check_refused(buf_string(&text), NULL, "FILE:1:65: this is nested more than 64 levels deep");
    check_refused("shards: 1\n---\nshards: 2\n", NULL, "FILE:2:1: there is a second document");
}

Test(load, repeats_no_control_characters)
{
    check_refused("\"\\e[31mslots\": 1\n", NULL, "FILE:1:1: there is no such setting: ?[31mslots");
}

Test(load, checks_urls_and_addresses_without_showing_them)
{
    char *database[] = {"DATABASE_URL=mysql://u:hunter2@x", NULL};
    char *redis[] = {"REDIS_URL=rediss://x", NULL};
    char *openai[] = {"OPENAI_BASE_URL=api.openai.com", NULL};
    char *host[] = {"PENSTOCK_HOST=localhost", NULL};
    char *level[] = {"PENSTOCK_LOG_LEVEL=loud", NULL};
    char *roles[] = {"PENSTOCK_ROLES=api,", NULL};

    check_refused(NULL, database, "DATABASE_URL must be postgresql://");
    check_refused(NULL, redis, "REDIS_URL must begin with redis:// or unix://; TLS");
    check_refused(NULL, openai, "OPENAI_BASE_URL must begin with http:// or https://");
    check_refused(NULL, host, "PENSTOCK_HOST must be an address");
    check_refused(NULL, level, "PENSTOCK_LOG_LEVEL must be debug, info");
    check_refused(NULL, roles, "PENSTOCK_ROLES must be some of api");
    check_refused("providers:\n - name: a\n   base_url: http://h:0/v1\n", NULL,
                  "FILE:3:14: providers[0].base_url must have a port");
    check_refused("worker:\n  private_addresses: [10.0.0.0/33]\n", NULL,
                  "FILE:2:23: worker.private_addresses[0] must be host:port");
}

Test(load, checks_what_is_said_of_models)
{
    check_refused("models:\n - {name: m, provider: openai, input_price: -1}\n", NULL,
                  "FILE:2:45: models[0].input_price must be 0 to 1000000000000");
    check_refused("models:\n - {name: m, provider: openai, output_tokens: 1000000001}\n", NULL,
                  "FILE:2:47: models[0].output_tokens must be 0 to 1000000000");
    check_refused("models:\n - {name: m, provider: openai, tools: no}\n", NULL,
                  "FILE:2:39: models[0].tools must be true or false");
    check_refused("models:\n - {name: m, provider: openai, price: 3}\n", NULL,
                  "FILE:2:32: models[0]: there is no such setting: price");
    check_refused("providers:\n - {name: openai, stream: 1}\n", NULL,
                  "FILE:2:27: providers[0].stream must be true or false");
    check_refused("providers:\n - {name: openai, native_state: yes}\n", NULL,
                  "FILE:2:33: providers[0].native_state must be true or false");
}

Test(load, checks_that_names_differ_and_providers_exist)
{
    check_refused(
        "providers:\n - {name: a, base_url: 'http://x'}\n - {name: a, base_url: 'http://y'}\n",
        NULL, "FILE:3:11: providers[1].name is there already");
    check_refused("models:\n - {name: m, provider: nobody, model: x}\n", NULL,
                  "FILE:2:24: models[0].provider names no provider; there are openai, groq");
    check_refused("models:\n - {name: m}\n", NULL,
                  "FILE:2:4: models[0] must have name and provider");
    check_refused("models:\n - {name: m, provider: openai}\n - {name: m, provider: groq}\n", NULL,
                  "FILE:3:11: models[1].name is there already");
    check_refused("providers:\n - {name: new}\n", NULL,
                  "FILE:2:4: providers[0] must have a base_url");
    check_refused("providers:\n - {base_url: 'http://x'}\n", NULL,
                  "FILE:2:4: providers[0] must have a name");
    check_refused("providers:\n - {name: a/b, base_url: 'http://x'}\n", NULL,
                  "FILE:2:11: providers[0].name must have no \"/\"");
}

Test(load, checks_headers)
{
    check_refused("providers:\n - {name: openai, headers: [\"A: b\", \"X y\"]}\n", NULL,
                  "FILE:2:37: providers[0].headers[1] must be a header");
    check_refused("providers:\n - {name: openai, headers: [\"A: b\\r\\nC: d\"]}\n", NULL,
                  "FILE:2:29: providers[0].headers[0] must have no control");
}

Test(config_reads, knows_the_variables_that_matter)
{
    static const char *const read[] = {"DATABASE_URL",    "PENSTOCK_SLOTS",
                                       "OPENAI_API_KEY",  "GROQ_BASE_URL",
                                       "PENSTOCK_CONFIG", "PENSTOCK_PRIVATE_ADDRESSES"};
    const char *file = "a: ${ONE}\nb: ${TWO:-2} ${THREE\nc: $FOUR";

    for (size_t i = 0; i < ARRAY_LENGTH(read); i++)
        cr_assert(config_reads(read[i], ""), "%s", read[i]);
    cr_assert_not(config_reads("PENSTOCK_API_KEY", ""));
    cr_assert_not(config_reads("AWS_SECRET_ACCESS_KEY", ""));
    cr_assert(config_reads("ONE", file) && config_reads("TWO", file));
    cr_assert_not(config_reads("THREE", file) || config_reads("FOUR", file));
    cr_assert_not(config_reads("ON", file));
}

Test(config, takes_roles_as_words_with_commas_between)
{
    unsigned roles = 0;

    cr_assert(config_roles("api, dispatch,reap", &roles));
    cr_assert_eq(roles, ROLE_API | ROLE_DISPATCH | ROLE_REAP);
    cr_assert(config_roles("reap", &roles));
    cr_assert_eq(roles, ROLE_REAP);
    cr_assert_not(config_roles("api,cook", &roles));
    cr_assert_not(config_roles("", &roles));
    cr_assert_not(config_roles("api,,reap", &roles));
    cr_assert_not(config_roles("api,", &roles));
    cr_assert_eq(roles, ROLE_REAP, "untouched");
}

Test(config, splits_an_address_from_its_port)
{
    char host[CONFIG_HOST_SIZE] = "";
    int port = -1;

    cr_assert(config_split_address("127.0.0.1:9090", host, &port));
    cr_assert_str_eq(host, "127.0.0.1");
    cr_assert_eq(port, 9090);
    cr_assert(config_split_address("::1:0", host, &port));
    cr_assert_str_eq(host, "::1");
    cr_assert_eq(port, 0);
    cr_assert_not(config_split_address("on", host, &port));
    cr_assert_not(config_split_address("localhost:9090", host, &port));
    cr_assert_not(config_split_address("127.0.0.1:65536", host, &port));
    cr_assert_not(config_split_address("127.0.0.1:-1", host, &port));
    cr_assert_not(config_split_address("127.0.0.1:", host, &port));
    cr_assert_not(config_split_address(":9090", host, &port));
    cr_assert_str_eq(host, "::1", "untouched");
}

Test(load, a_store_of_files_needs_what_it_is_reached_by)
{
    char *s3[] = {"PENSTOCK_FILES_STORE=s3",  "PENSTOCK_S3_ENDPOINT=http://127.0.0.1:9000",
                  "PENSTOCK_S3_BUCKET=files", "PENSTOCK_S3_ACCESS_KEY=a",
                  "PENSTOCK_S3_SECRET_KEY=b", NULL};
    struct config *config = load("files: {max_bytes: 2048}\n", s3, NULL);

    cr_assert_str_eq(config->files.store, "s3");
    cr_assert_str_eq(config->files.s3_region, "us-east-1");
    cr_assert_eq(config->files.max_bytes, 2048);
    config_free(config);
    s3[4] = NULL;
    check_refused(NULL, s3,
                  "the configuration: files.store is s3, which needs files.s3_secret_key");
    check_refused("files: {store: directory}\n", NULL,
                  "FILE:1:16: files.store is directory, which needs files.directory");
    check_refused("files: {store: s3, s3_bucket: abc}\n", NULL,
                  "FILE:1:16: files.store is s3, which needs files.s3_endpoint");
}

Test(load, settings_of_files_say_what_would_be_right)
{
    check_refused("files: {store: tape}\n", NULL,
                  "FILE:1:16: files.store must be postgres, directory or s3");
    check_refused("files: {directory: here}\n", NULL,
                  "FILE:1:20: files.directory must be an absolute path");
    check_refused("files: {s3_bucket: A}\n", NULL,
                  "FILE:1:20: files.s3_bucket must be the name of a bucket");
    check_refused("files: {s3_endpoint: http://x/}\n", NULL,
                  "FILE:1:22: files.s3_endpoint must not end with '/'");
    check_refused("files: {s3_endpoint: ftp://x}\n", NULL, "FILE:1:22: files.s3_endpoint must");
    check_refused("files: {s3_addressing: dns}\n", NULL,
                  "FILE:1:24: files.s3_addressing must be path or host");
}

Test(load, telemetry_is_off_unless_an_endpoint_is_said_by_the_names_of_opentelemetry)
{
    char *otel[] = {"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
                    "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.01",
                    "PENSTOCK_TELEMETRY_CONTENT=on", NULL};
    struct config *config = load("telemetry: {service_name: mine}\n", otel, NULL);

    cr_assert_str_eq(config->telemetry.endpoint, "http://collector:4318");
    cr_assert_str_eq(config->telemetry.sampler_arg, "0.01");
    cr_assert_str_eq(config->telemetry.service_name, "mine");
    cr_assert_str_eq(config->telemetry.content, "on");
    cr_assert_str_eq(config->telemetry.tell_providers, "off");
    config_free(config);
    config = load("", NULL, NULL);
    cr_assert_str_eq(config->telemetry.endpoint, "");
    config_free(config);
    check_refused("telemetry: {content: some}\n", NULL,
                  "FILE:1:22: telemetry.content must be on or off");
    check_refused("telemetry: {endpoint: collector}\n", NULL, "FILE:1:23: telemetry.endpoint must");
}
