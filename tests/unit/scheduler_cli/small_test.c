#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "scheduler/cli/client.h"
#include "scheduler/cli/dev/dev.h"
#include "scheduler/cli/dev/environment_file.h"
#include "scheduler/cli/display/money.h"
#include "scheduler/cli/display/when.h"
#include "scheduler/cli/doctor/doctor_judge.h"
#include "scheduler/cli/files.h"
#include "scheduler/cli/runs/run_view.h"
#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"

Test(environment_file, gives_back_what_was_put_in)
{
    const struct environment_entry entries[] = {{"A", "plain"}, {"B", "it's $x \\ \"y\""}};
    CLEANUP(buf_deinit) struct buf file = {0};
    CLEANUP(buf_deinit) struct buf value = {0};

    buf_init(&file, 0);
    buf_init(&value, 0);
    environment_render(entries, 2, &file);
    cr_assert_str_eq(buf_string(&file), "export A='plain'\nexport B='it'\\''s $x \\ \"y\"'\n");
    cr_assert(environment_find(buf_text(&file), "B", &value));
    cr_assert_str_eq(buf_string(&value), "it's $x \\ \"y\"");
    cr_assert_not(environment_find(buf_text(&file), "C", &value));
    buf_reset(&value);
    cr_assert(environment_find(TEXT("# x\nC=d"), "C", &value));
    cr_assert_str_eq(buf_string(&value), "d");
}

Test(environment_file, is_read_from_a_data_folder)
{
    char folder[] = "/tmp/penstock-env-XXXXXX";
    CLEANUP(buf_deinit) struct buf missing = {0};
    CLEANUP(buf_deinit) struct buf text = {0};
    char path[64];

    cr_assert(mkdtemp(folder));
    cr_assert_eq(environment_read(folder, &missing, NULL), -E_NOT_FOUND);
    cr_assert_eq(missing.len, 0);
    (void)snprintf(path, sizeof(path), "%s/dev.env", folder);
    cr_assert_eq(file_write_private(path, TEXT("export A='b'\n"), NULL), 0);
    cr_assert_eq(environment_read(folder, &text, NULL), 0);
    cr_assert_str_eq(buf_string(&text), "export A='b'\n");
    unlink(path);
    cr_assert_eq(rmdir(folder), 0);
}

Test(when, shows_times_with_their_zone_and_spans_in_two_units)
{
    char out[WHEN_SIZE];

    setenv("TZ", "Asia/Kolkata", 1);
    tzset();
    when_format(1000, true, out);
    cr_assert_str_eq(out, "1970-01-01 05:46:40+05:30");
    setenv("TZ", "America/St_Johns", 1);
    tzset();
    when_format(1767225600, false, out);
    cr_assert_str_eq(out, "2025-12-31 20:30-03:30");
    when_format(0, true, out);
    cr_assert_str_eq(out, "-");
    when_format_span(-1, out);
    cr_assert_str_eq(out, "-");
    when_format_span(0, out);
    cr_assert_str_eq(out, "0s");
    when_format_span(65, out);
    cr_assert_str_eq(out, "1m05s");
    when_format_span(7380, out);
    cr_assert_str_eq(out, "2h03m");
    when_format_span(4 * 86400 + 7 * 3600, out);
    cr_assert_str_eq(out, "4d07h");
}

Test(files, that_are_private_are_replaced_at_once)
{
    char folder[] = "/tmp/penstock-files-XXXXXX";
    CLEANUP(buf_deinit) struct buf text = {0};
    struct stat info;
    char path[64];

    cr_assert(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/f", folder);
    cr_assert_eq(file_write_private(path, TEXT("old"), NULL), 0);
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(file_write_private(path, TEXT("new"), NULL), 0);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    buf_init(&text, 2);
    cr_assert_eq(file_read(path, &text, NULL), -E_LIMIT);
    buf_deinit(&text);
    buf_init(&text, 3);
    cr_assert_eq(file_read(path, &text, NULL), 0);
    cr_assert_str_eq(buf_string(&text), "new");
    unlink(path);
    cr_assert_eq(file_read(path, &text, NULL), -E_NOT_FOUND);
    cr_assert_eq(rmdir(folder), 0); /* nothing else is left in it */
}

static void check_clean(const char *in, const char *expected)
{
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    terminal_clean(text_of(in), &out);
    cr_assert_str_eq(buf_string(&out), expected);
}

Test(terminal, gets_no_control_characters_from_elsewhere)
{
    check_clean("a\033[31mb\r\a\x7F", "a[31mb");
    check_clean("l1\n\tl2 \xC3\xA4\xE2\x82\xAC", "l1\n\tl2 \xC3\xA4\xE2\x82\xAC");
    check_clean("\xC2\x9B"
                "31m\xC2\xA0x\xC2",
                "31m\xC2\xA0x\xC2");
}

static void check_short(const char *in, size_t width, const char *expected)
{
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    terminal_shorten(text_of(in), width, &out);
    cr_assert_str_eq(buf_string(&out), expected);
}

Test(terminal, shows_long_texts_in_one_line)
{
    check_short("  a \n\n b\t\033c ", 20, "a b c");
    check_short("abcdef", 6, "abcdef");
    check_short("abcdefg", 6, "abcdef\xE2\x80\xA6");
    check_short("\xC3\xA4\xC3\xA4\xC3\xA4", 2, "\xC3\xA4\xC3\xA4\xE2\x80\xA6");
    check_short("", 5, "");
}

Test(client, waits_as_long_as_the_server_asks_for)
{
    cr_assert_eq(client_wait_ms(150, 0), 150);
    cr_assert_eq(client_wait_ms(4000, 3000), 4000);
    cr_assert_eq(client_wait_ms(200, 3000), 3020);
    cr_assert_eq(client_wait_ms(10000, 999999999), 61000);
}

Test(client, puts_only_plain_words_into_paths)
{
    cr_assert(client_is_plain("run_01a-B"));
    cr_assert_not(client_is_plain(""));
    cr_assert_not(client_is_plain("../x"));
    cr_assert_not(client_is_plain("a?b"));
    cr_assert_not(client_is_plain("a b"));
}

Test(run_view, knows_when_a_run_is_over)
{
    cr_assert(run_is_over("completed"));
    cr_assert(run_is_over("requires_action"));
    cr_assert_not(run_is_over("queued"));
    cr_assert_not(run_is_over("cancelling"));
    cr_assert_not(run_is_over("over"));
    cr_assert_not(run_is_over(NULL));
    cr_assert_eq(run_exit_code("completed"), 0);
    cr_assert_eq(run_exit_code("expired"), 1);
    cr_assert_eq(run_exit_code("requires_action"), 4);
    cr_assert_eq(run_exit_code(NULL), 1);
}

static struct json_object *decode(const char *text)
{
    struct json_object *json = NULL;

    cr_assert_eq(json_decode(text_of(text), 64, &json, NULL), 0);
    return json;
}

Test(run_view, explains_why_a_run_did_not_complete)
{
    CLEANUP(json_freep)
    struct json_object *run = decode(
        "{\"status\":\"failed\",\"last_error\":{\"code\":\"server_error\",\"message\":\"m\"}}");
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    run_explain(run, &out);
    cr_assert_str_eq(buf_string(&out), "the run is failed: m (server_error)");
}

Test(run_view, says_in_words_whose_budget_is_spent)
{
    CLEANUP(json_freep)
    struct json_object *spent =
        decode("{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"user_budget\"}}");
    CLEANUP(json_freep)
    struct json_object *cut = decode(
        "{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"content_filter\"}}");
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    run_explain(spent, &out);
    cr_assert_str_eq(buf_string(&out), "the run is incomplete: user_budget (what its user may "
                                       "spend is spent: penstock budgets list)");
    buf_deinit(&out);
    buf_init(&out, 0);
    run_explain(cut, &out);
    cr_assert_str_eq(buf_string(&out), "the run is incomplete: content_filter");
}

Test(run_view, takes_the_text_out_of_a_message)
{
    CLEANUP(json_freep)
    struct json_object *message =
        decode("{\"content\":[{\"type\":\"text\",\"text\":{\"value\":\"a\",\"annotations\":[]}},"
               "{\"type\":\"image_url\"},{\"type\":\"refusal\",\"refusal\":\"no\"}]}");
    CLEANUP(buf_deinit) struct buf out = {0};

    buf_init(&out, 0);
    run_message_text(message, &out);
    cr_assert_str_eq(buf_string(&out), "a\n[image_url]\nno");
}

Test(dev, puts_sockets_only_where_their_address_fits)
{
    char folder[120];

    memset(folder, 'a', sizeof(folder));
    folder[0] = '/';
    folder[100] = '\0';
    cr_assert(dev_socket_fits(folder, "123456"));
    cr_assert_not(dev_socket_fits(folder, "1234567"));
}

Test(dev, tells_the_last_line_of_a_log_in_whole_characters)
{
    char folder[] = "/tmp/penstock-log-XXXXXX";
    struct dev_place place = {.shown = "d"};
    const struct dev_children children = {.place = &place};
    const struct dev_child child = {.command = {.name = "x"}};
    CLEANUP(buf_deinit) struct buf line = {0};
    struct error err;
    char path[64];
    FILE *log;

    buf_init(&line, 0);
    buf_add_string(&line, "first\na");
    for (int i = 0; i < 100; i++)
        buf_add_string(&line, "\xC3\xA4");
    cr_assert(mkdtemp(folder));
    (void)snprintf(place.data, sizeof(place.data), "%s", folder);
    (void)snprintf(path, sizeof(path), "%s/logs", folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/logs/x.log", folder);
    log = fopen(path, "we");
    cr_assert(log);
    (void)fputs(buf_string(&line), log);
    (void)fclose(log);
    cr_assert_eq(dev_child_failed(&children, &child, &err), -E_REJECTED);
    cr_assert(strstr(err.text, "x does not start: a\xC3\xA4"), "%s", err.text);
    cr_assert(text_is_utf8(text_of(err.text)), "%s", err.text);
    cr_assert_eq(dev_remove_folder(folder, &err), 0);
}

Test(dev, hands_on_only_what_a_child_needs)
{
    cr_assert(dev_environment_passes(DEV_NEEDS_BASE, "PATH", ""));
    cr_assert(dev_environment_passes(DEV_NEEDS_BASE, "LC_ALL", ""));
    cr_assert_not(dev_environment_passes(DEV_NEEDS_BASE, "OPENAI_API_KEY", "${OPENAI_API_KEY}"));
    cr_assert_not(dev_environment_passes(DEV_NEEDS_BASE, "PGPASSWORD", ""));
    cr_assert(dev_environment_passes(DEV_NEEDS_SETTINGS, "OPENAI_API_KEY", ""));
    cr_assert(dev_environment_passes(DEV_NEEDS_SETTINGS, "MY_KEY", "api_key: ${MY_KEY}"));
    cr_assert_not(dev_environment_passes(DEV_NEEDS_SETTINGS, "MY_KEY", ""));
    cr_assert_not(dev_environment_passes(DEV_NEEDS_SETTINGS, "PENSTOCK_API_KEY", ""));
}

Test(dev, reads_the_version_of_postgres_from_its_folder)
{
    cr_assert_eq(dev_postgres_major("/usr/lib/postgresql/15/bin"), 15);
    cr_assert_eq(dev_postgres_major("/usr/lib/postgresql/./bin"), 0);
    cr_assert_eq(dev_postgres_major("/usr/bin"), 0);
    cr_assert_eq(dev_postgres_major("/usr/lib/postgresql/15"), 0);
}

Test(dev, refuses_a_data_folder_that_is_in_use_and_a_port_that_is_taken)
{
    char folder[] = "/tmp/penstock-place-XXXXXX";
    struct dev_place first;
    struct dev_place second;
    struct error err;
    int fd;

    cr_assert(mkdtemp(folder));
    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(dev_place_open(folder, &first, &err), 0, "%s", err.text);
    cr_assert_eq(dev_place_open(folder, &second, &err), -E_CONFLICT);
    cr_assert(strstr(err.text, folder) && strstr(err.text, "another `penstock dev` (process "));
    dev_place_close(&first);
    cr_assert_eq(dev_place_open(folder, &second, &err), 0, "%s", err.text);
    dev_place_close(&second);
    cr_assert_eq(dev_remove_folder(folder, &err), 0);
    cr_assert(access(folder, F_OK) < 0);
    cr_assert_eq(dev_free_port(&fd, &err), 0);
    cr_assert_eq(dev_check_port(fd, &err), 0);
}

Test(doctor, judges_versions)
{
    cr_assert_eq(doctor_judge_postgres(150004).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_postgres(140009).verdict, DOCTOR_FAIL);
    cr_assert_eq(doctor_judge_redis("7.0.15").verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_redis("6.2.0").verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_redis("6.0.16").verdict, DOCTOR_FAIL);
    cr_assert_eq(doctor_judge_redis("").verdict, DOCTOR_WARN);
}

Test(doctor, judges_settings)
{
    cr_assert_eq(doctor_judge_connections(12, 97).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_connections(87, 97).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_connections(88, 97).verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_hints(NULL, "").verdict, DOCTOR_OK);
    cr_assert(strstr(doctor_judge_hints("refuses writes", "OOM command not allowed").text,
                     "refuses writes: OOM"));
    cr_assert_eq(doctor_judge_workers(2, 20).verdict, DOCTOR_OK);
    cr_assert(strstr(doctor_judge_workers(0, 0).text, "no worker is up"));
    cr_assert(strstr(doctor_judge_retention(0, 1000000).text, "all threads and runs are kept"));
    cr_assert_eq(doctor_judge_retention(3, 86400).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_retention(3, 86401).verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_eviction("noeviction", true).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_eviction("allkeys-lru", false).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_eviction("allkeys-lru", true).verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_clock(-900).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_clock(-1001).verdict, DOCTOR_WARN);
    cr_assert_str_eq(doctor_judge_clock(2500).text,
                     "it is 2.5 s ahead of this machine's: keep clocks in step with NTP");
    cr_assert_eq(doctor_judge_descriptors(1024).verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_descriptors(INT64_MAX).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_maps(65530).verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_maps(1000).verdict, DOCTOR_WARN);
}

Test(doctor, judges_servers_and_providers)
{
    cr_assert_eq(doctor_judge_server("u", "o", 200, "").verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_server("u", "o", 503, "").verdict, DOCTOR_FAIL);
    cr_assert(strstr(doctor_judge_server("u", "o", 0, "refused").text, "refused"));
}

Test(doctor, asks_providers_as_their_kind_wants_it)
{
    const struct doctor_probe *openai = doctor_probe_of("openai_chat");
    const struct doctor_probe *gemini = doctor_probe_of("gemini");

    cr_assert_str_eq(openai->path, "/models");
    cr_assert_str_eq(openai->key_header, "Authorization");
    cr_assert_str_eq(openai->key_scheme, "Bearer ");
    cr_assert_eq(doctor_probe_of("unheard_of"), openai);
    cr_assert_str_eq(gemini->key_header, "x-goog-api-key");
    cr_assert_str_eq(gemini->key_scheme, "");
    cr_assert_str_eq(doctor_probe_of("anthropic")->key_header, "x-api-key");
    cr_assert_str_eq(doctor_probe_of("anthropic")->version_header, "anthropic-version");
    cr_assert_str_eq(doctor_probe_of("ollama")->path, "/api/tags");
    cr_assert_eq(doctor_judge_provider("u", openai, 200, "").verdict, DOCTOR_OK);
    cr_assert_eq(doctor_judge_provider("u", openai, 401, "").verdict, DOCTOR_FAIL);
    cr_assert_eq(doctor_judge_provider("u", openai, 0, "x").verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_provider("u", openai, 400, "").verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_provider("u", openai, 404, "").verdict, DOCTOR_WARN);
    cr_assert_eq(doctor_judge_provider("u", gemini, 400, "").verdict, DOCTOR_FAIL);
    cr_assert_eq(doctor_judge_provider("u", gemini, 403, "").verdict, DOCTOR_FAIL);
    cr_assert(strstr(doctor_judge_provider("u", doctor_probe_of("ollama"), 404, "").text,
                     "404 on /api/tags"));
}

Test(money, shows_every_micro_dollar)
{
    static const struct {
        int64_t micros;
        const char *shown;
    } cases[] = {
        {0, "$0.000000"},
        {1, "$0.000001"},
        {999999, "$0.999999"},
        {1000000, "$1.000000"},
        {-42, "-$0.000042"},
        {INT64_MAX, "$9223372036854.775807"},
        {INT64_MIN, "-$9223372036854.775808"},
    };
    char shown[MONEY_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        money_format(cases[i].micros, shown);
        cr_assert_str_eq(shown, cases[i].shown);
    }
}
