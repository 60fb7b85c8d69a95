/* What a program that runs takes from a configuration that was read again. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/config/config.h"
#include "tests/unit/support/config_of.h"

static char *no_environment[] = {NULL};
static struct buf changed;
static struct buf left;
static struct error err;

static struct config *load(const char *text)
{
    return config_of(text, no_environment, config_load_again);
}

static struct config *running;

static void begin(void)
{
    buf_init(&changed, 0);
    buf_init(&left, 0);
    running = load("{}");
}

static void end(void)
{
    buf_deinit(&changed);
    buf_deinit(&left);
    config_free(running);
}

TestSuite(config_take_over, .init = begin, .fini = end);

static void take(const char *text, const char *program)
{
    struct config *loaded = load(text);

    buf_reset(&changed);
    buf_reset(&left);
    config_take_over(running, loaded, program, &changed, &left);
    config_free(loaded);
}

Test(config_take_over, what_is_the_same_is_not_named)
{
    take("{}", "worker");
    cr_assert_str_eq(buf_string(&changed), "");
    cr_assert_str_eq(buf_string(&left), "");
}

Test(config_take_over, numbers_that_are_read_when_they_are_needed_are_taken)
{
    take("log: {level: debug, format: json}\n"
         "worker: {drain_ms: 1, max_iterations: 2, tool_timeout_ms: 3, answer_max_bytes: 4096}\n",
         "worker");
    cr_assert_str_eq(buf_string(&changed),
                     "log.level, log.format, worker.drain_ms, worker.max_iterations, "
                     "worker.tool_timeout_ms, worker.answer_max_bytes");
    cr_assert_str_eq(buf_string(&left), "");
    cr_assert_eq(running->log_level, LOG_LEVEL_DEBUG);
    cr_assert_eq(running->log_format, LOG_FORMAT_JSON);
    cr_assert_eq(running->worker.drain_ms, 1);
    cr_assert_eq(running->worker.max_iterations, 2);
    cr_assert_eq(running->worker.tool_timeout_ms, 3);
    cr_assert_eq(running->worker.answer_max_bytes, 4096);
}

Test(config_take_over, what_was_opened_with_a_value_keeps_it)
{
    take("database_url: postgresql:///other\nshards: 4\n"
         "worker: {slots: 3, memory_bytes: 1048576, private_addresses: ['10.0.0.0/8']}\n",
         "worker");
    cr_assert_str_eq(buf_string(&changed), "");
    cr_assert_str_eq(buf_string(&left), "database_url, shards, worker.slots, worker.memory_bytes, "
                                        "worker.private_addresses");
    cr_assert_str_eq(running->database_url, "postgresql:///penstock");
    cr_assert_eq(running->worker.slots, 1000);
}

Test(config_take_over, settings_of_another_program_and_of_the_registry_are_passed_over)
{
    static const char text[] =
        "default_provider: openai\n"
        "memory: {embedding_model: openai/text-embedding-3-small}\n"
        "scheduler: {drain_ms: 7, port: 1}\nworker: {drain_ms: 8, slots: 9}\n";

    take(text, "scheduler");
    cr_assert_str_eq(buf_string(&changed), "scheduler.drain_ms");
    cr_assert_str_eq(buf_string(&left), "scheduler.port");
    take(text, "worker");
    cr_assert_str_eq(buf_string(&changed), "worker.drain_ms");
    cr_assert_str_eq(buf_string(&left), "worker.slots");
    cr_assert_str_eq(running->default_provider, "");
    cr_assert_str_eq(running->memory.embedding_model, "builtin/hashed-words-1");
}

Test(config_take_over, a_file_that_can_not_be_read_twice_is_refused)
{
    char folder[] = "/tmp/penstock-config-XXXXXX";
    char pipe_path[64];
    struct config_flags flags = {.file = pipe_path};
    struct config *config = NULL;

    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(pipe_path, sizeof(pipe_path), "%s/fifo", folder);
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    cr_assert_eq(config_load_again(&flags, no_environment, &config, &err), -E_INVALID);
    cr_assert_not_null(strstr(err.text, "no regular file"), "%s", err.text);
    cr_assert_null(config);
    unlink(pipe_path);
    flags.file = folder;
    cr_assert_eq(config_load_again(&flags, no_environment, &config, &err), -E_INVALID);
    rmdir(folder);
    flags.file = "/tmp/penstock-there-is-none";
    cr_assert_eq(config_load_again(&flags, no_environment, &config, &err), -E_NOT_FOUND);
}
