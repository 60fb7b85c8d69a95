/* Stores of bytes: Postgres and a directory. S3 is tested from outside
 * (tests/integration/files_s3.test.mjs), with a server that judges signatures by its own means.
 *
 * Each test has a database of its own: the sweep is about all blobs of one. */

#include <criterion/criterion.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/blob/blob.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/postgres/postgres.h"
#include "shared/store/access/tenants.h"
#include "shared/store/files/files.h"
#include "shared/store/migrate.h"

#define PIECE ((size_t)256 << 10)

static struct error err;

#define MUST(call)                                                                                 \
    do {                                                                                           \
        int must_r_ = (call);                                                                      \
        cr_assert_eq(must_r_, 0, "%s: %d %s", #call, must_r_, err.text);                           \
    } while (0)

struct bench {
    const char *kind;
    struct store store;
    struct blob_stores *stores;
    char directory[64];
    char url[1024];
    void (*body)(struct bench *bench);
};

static void open_stores(struct bench *bench, int64_t silent_ms)
{
    struct blob_options options = {
        .store = bench->kind,
        .pg = bench->store.pg,
        .directory = bench->directory,
        .silent_ms = silent_ms,
    };

    blob_stores_close(bench->stores);
    MUST(blob_stores_open(&options, &bench->stores, &err));
}

static void run_bench(void *arg)
{
    struct bench *bench = arg;
    struct pg_options options = {.url = bench->url, .application_name = "test"};
    struct tenant tenant;
    struct arena arena;

    arena_init(&arena, 0);
    bench->store.arena = &arena;
    MUST(pg_open(&options, &bench->store.pg, &err));
    MUST(pg_wait_ready(bench->store.pg, deadline_in(5000), &err));
    MUST(migrate_apply(&bench->store, NULL, &err));
    MUST(tenants_create(&bench->store, TEXT("acme"), &(struct tenant_change){0}, &tenant, &err));
    bench->store.tenant = tenant.id;
    open_stores(bench, 0);
    bench->body(bench);
    blob_stores_close(bench->stores);
    pg_close(bench->store.pg);
    arena_deinit(&arena);
    offload_stop();
}

static void do_sql(const char *url, const char *before, const char *name, const char *behind)
{
    PGconn *conn = PQconnectdb(url);
    char *sql = xasprintf("%s %s %s", before, name, behind);
    PGresult *result = PQexec(conn, sql);

    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    free(sql);
}

static void with_kind(const char *kind, void (*body)(struct bench *bench))
{
    struct bench bench = {.kind = kind, .body = body, .directory = "/tmp/penstock-blobs.XXXXXX"};
    char remove[100];
    char database[40];
    const char *admin = getenv("DATABASE_URL");
    uint64_t number;

    cr_assert(admin && strchr(admin, '?'), "run this under tests/lib/with-servers");
    random_bytes(&number, sizeof(number));
    snprintf(database, sizeof(database), "unit_blob_%016" PRIx64, number);
    snprintf(bench.url, sizeof(bench.url), "postgresql:///%s%s", database, strchr(admin, '?'));
    do_sql(admin, "CREATE DATABASE", database, "");
    cr_assert_not_null(mkdtemp(bench.directory));
    loop_run(run_bench, &bench);
    do_sql(admin, "DROP DATABASE", database, "WITH (FORCE)");
    snprintf(remove, sizeof(remove), "rm -rf %s", bench.directory);
    cr_assert_eq(system(remove), 0);
}

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 251);
}

static void write_bytes(struct blob_draft *draft, size_t bytes, size_t step)
{
    char *piece = xmalloc(step);

    for (size_t at = 0; at < bytes; at += step) {
        size_t some = bytes - at < step ? bytes - at : step;

        for (size_t i = 0; i < some; i++)
            piece[i] = byte_at(at + i);
        MUST(blob_draft_write(draft, (struct text){piece, some}, &err));
    }
    free(piece);
}

static struct file make_file(struct bench *bench, size_t bytes, size_t step)
{
    struct new_file file = {.id = uuid_new(), .filename = TEXT("a"), .purpose = TEXT("assistants")};
    struct blob_content content;
    struct blob_draft *draft;
    struct file made;
    bool spare;

    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    write_bytes(draft, bytes, step);
    MUST(blob_draft_finish(draft, &content, &err));
    cr_assert_eq(content.bytes, (int64_t)bytes);
    content.quota = INT64_MAX;
    MUST(file_create(&bench->store, &file, &content, &made, &spare, &err));
    blob_draft_end(draft, !spare);
    MUST(file_get(&bench->store, file.id, &made, &err));
    return made;
}

/* Reads all of it in steps, and checks each byte. */
static void check_bytes(struct bench *bench, const struct file *file, size_t step)
{
    static uint8_t read[BLOB_READ_BYTES];
    size_t at = 0;

    while (at < (size_t)file->bytes) {
        size_t count;

        MUST(blob_read(bench->stores, &file->blob, (int64_t)at, read, step, &count, &err));
        cr_assert(count > 0 && count <= step);
        for (size_t i = 0; i < count; i++)
            cr_assert_eq((char)read[i], byte_at(at + i), "byte %zu", at + i);
        at += count;
    }
    cr_assert_eq(at, (size_t)file->bytes);
}

static void round_trips(struct bench *bench)
{
    static const size_t sizes[] = {0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5};

    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        struct file file = make_file(bench, sizes[i], 10007);

        cr_assert_str_eq(file.blob.store, bench->kind);
        check_bytes(bench, &file, BLOB_READ_BYTES);
        check_bytes(bench, &file, 100003);
    }
    {
        struct file whole = make_file(bench, 2 * PIECE + 77, 3 * PIECE);
        struct file pieces = make_file(bench, 2 * PIECE + 77, 777);

        cr_assert(uuid_equal(whole.blob.id, pieces.blob.id));
    }
}

Test(blob, bytes_come_back_from_postgres_as_they_were_written)
{
    with_kind("postgres", round_trips);
}

Test(blob, bytes_come_back_from_a_directory_as_they_were_written)
{
    with_kind("directory", round_trips);
}

/* Files in the directory and rows of chunks, all together. */
static int64_t lying_around(struct bench *bench)
{
    static const struct pg_statement count = {
        .name = "lying_around",
        .sql = "SELECT (SELECT count(*) FROM blob_chunks c JOIN blobs b ON b.id = c.blob_id"
               "            WHERE b.tenant_id = $1)"
               " + (SELECT count(*) FROM blobs WHERE tenant_id = $1)",
        .types = "u",
    };
    struct pg_value values[1] = {pg_uuid(bench->store.tenant)};
    struct pg_result *result;
    int64_t found;
    char command[120];
    FILE *files;
    int in_directory = 0;

    MUST(pg_exec(bench->store.pg, &count, values, &result, &err));
    found = pg_get_int(result, 0, 0);
    pg_result_free(result);
    snprintf(command, sizeof(command), "find %s -type f | wc -l", bench->directory);
    files = popen(command, "r");
    cr_assert_eq(fscanf(files, "%d", &in_directory), 1);
    pclose(files);
    return found + in_directory;
}

static void gives_up(struct bench *bench)
{
    struct blob_draft *draft;
    struct blob_content content;

    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    write_bytes(draft, 3 * PIECE, 5000);
    cr_assert_gt(lying_around(bench), 1);
    blob_draft_end(draft, false);
    cr_assert_eq(lying_around(bench), 0);

    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    write_bytes(draft, 3 * PIECE, 5000);
    MUST(blob_draft_finish(draft, &content, &err));
    blob_draft_end(draft, false);
    cr_assert_eq(lying_around(bench), 0);
    blob_draft_end(NULL, true);
}

Test(blob, a_draft_that_is_given_up_leaves_nothing_in_postgres)
{
    with_kind("postgres", gives_up);
}

Test(blob, a_draft_that_is_given_up_leaves_nothing_in_a_directory)
{
    with_kind("directory", gives_up);
}

static void sweep_until(struct bench *bench, int64_t left)
{
    int64_t until_ms = clock_ms() + 10000;

    while (lying_around(bench) != left) {
        size_t gone;

        cr_assert_lt(clock_ms(), until_ms, "%lld are left", (long long)lying_around(bench));
        MUST(blob_sweep(bench->stores, &gone, &err));
        MUST(fiber_sleep(5, &err));
    }
}

static void sweeps(struct bench *bench)
{
    struct file file = make_file(bench, 2 * PIECE + 1, 5000);
    struct blob_draft *draft;

    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    write_bytes(draft, 2 * PIECE, 5000);
    MUST(file_delete(&bench->store, file.id, &err));
    {
        struct pg_value values[1] = {pg_uuid(bench->store.tenant)};
        static const struct pg_statement age = {
            .name = "age",
            .sql = "UPDATE blobs SET touched_at = now() - interval '1 h' WHERE tenant_id = $1",
            .types = "u"};

        MUST(pg_exec(bench->store.pg, &age, values, NULL, &err));
    }
    sweep_until(bench, 0);
    MUST(blob_draft_write(draft, TEXT("more"), &err)); /* it has not noticed yet */
    blob_draft_end(draft, false);
    cr_assert_eq(lying_around(bench), 0);
}

Test(blob, the_sweep_takes_what_is_unwanted_and_what_was_left_from_postgres)
{
    with_kind("postgres", sweeps);
}

Test(blob, the_sweep_takes_what_is_unwanted_and_what_was_left_from_a_directory)
{
    with_kind("directory", sweeps);
}

static void one_is_away(struct bench *bench)
{
    static const struct pg_statement elsewhere = {
        .name = "elsewhere",
        .sql = "INSERT INTO blobs (id, tenant_id, store, state, touched_at)"
               " VALUES ($1, $2, 's3', 'unwanted', now() - interval '1 h')",
        .types = "uu"};
    struct pg_value values[2] = {pg_uuid(uuid_new()), pg_uuid(bench->store.tenant)};
    struct file file = make_file(bench, 10, 10);
    size_t gone;

    MUST(pg_exec(bench->store.pg, &elsewhere, values, NULL, &err));
    MUST(file_delete(&bench->store, file.id, &err));
    cr_assert_eq(blob_sweep(bench->stores, &gone, &err), -E_UNAVAILABLE);
    cr_assert_eq(gone, 0);
    cr_assert_eq(blob_sweep(bench->stores, &gone, &err), -E_UNAVAILABLE);
    cr_assert_eq(gone, 1);
    cr_assert_eq(lying_around(bench), 1);
}

Test(blob, a_store_that_is_away_keeps_nobody_from_deleting_in_another)
{
    with_kind("postgres", one_is_away);
}

static void is_slow(struct bench *bench)
{
    struct blob_draft *draft;
    size_t gone;

    open_stores(bench, 2000);
    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    for (int64_t until_ms = clock_ms() + 2500; clock_ms() < until_ms;) {
        MUST(blob_draft_write(draft, TEXT("x"), &err));
        MUST(blob_sweep(bench->stores, &gone, &err));
        MUST(fiber_sleep(50, &err));
    }
    cr_assert_eq(lying_around(bench), 1);
    blob_draft_end(draft, false);
}

Test(blob, a_slow_draft_is_not_taken_for_one_that_was_left)
{
    with_kind("postgres", is_slow);
}

static void is_missing(struct bench *bench)
{
    struct file file = make_file(bench, PIECE, PIECE);
    uint8_t byte;
    size_t count;

    MUST(file_delete(&bench->store, file.id, &err));
    sweep_until(bench, 0);
    cr_assert_eq(blob_read(bench->stores, &file.blob, 5, &byte, 1, &count, &err), -E_NOT_FOUND);
    memcpy(file.blob.store, "s3", 3);
    cr_assert_eq(blob_read(bench->stores, &file.blob, 5, &byte, 1, &count, &err), -E_UNAVAILABLE);
    cr_assert_str_eq(err.text, "a file lies in the store 's3', which is not set up here");
    memcpy(file.blob.store, "tape", 5);
    cr_assert_eq(blob_read(bench->stores, &file.blob, 5, &byte, 1, &count, &err), -E_UNAVAILABLE);
}

Test(blob, bytes_that_are_not_there_are_missing)
{
    with_kind("postgres", is_missing);
}

Test(blob, files_that_are_not_there_are_missing)
{
    with_kind("directory", is_missing);
}

static void is_full(struct bench *bench)
{
    struct rlimit before;
    struct rlimit little = {300000, 300000};
    struct blob_draft *draft;
    char *piece = xcalloc(1, PIECE);
    int r = 0;

    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    for (int i = 0; r == 0 && i < 4; i++)
        r = blob_draft_write(draft, (struct text){piece, PIECE}, &err);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    cr_assert_eq(r, -E_UNAVAILABLE);
    cr_assert_str_eq(err.text, "can't write in files.directory: File too large");
    blob_draft_end(draft, false);
    cr_assert_eq(lying_around(bench), 0);
    free(piece);
}

Test(blob, a_directory_without_room_says_so_and_keeps_nothing)
{
    signal(SIGXFSZ, SIG_IGN);
    with_kind("directory", is_full);
}

/* Puts a symbolic link to a place elsewhere where an entry is, which is moved there. */
static void replace_by_link(const char *entry, char *elsewhere)
{
    char *moved;

    cr_assert_not_null(mkdtemp(elsewhere));
    moved = xasprintf("%s/moved", elsewhere);
    cr_assert_eq(rename(entry, moved), 0);
    cr_assert_eq(symlink(moved, entry), 0);
    free(moved);
}

static void check_not_followed(struct bench *bench, bool folder)
{
    struct file file = make_file(bench, 10, 10);
    char elsewhere[] = "/tmp/penstock-elsewhere.XXXXXX";
    char id[UUID_TEXT_SIZE];
    struct stat stat_of;
    uint8_t byte;
    size_t count;
    char *path;
    char *there;

    uuid_format(file.blob.id, id);
    path = xasprintf("%s/%s%s%s", bench->directory, id + UUID_TEXT_SIZE - 3, folder ? "" : "/",
                     folder ? "" : id);
    replace_by_link(path, elsewhere);
    there = xasprintf("%s/moved%s%s", elsewhere, folder ? "/" : "", folder ? id : "");
    cr_assert_eq(stat(there, &stat_of), 0);
    cr_assert_eq(blob_read(bench->stores, &file.blob, 0, &byte, 1, &count, &err), -E_UNAVAILABLE);
    cr_assert_not_null(strstr(err.text, "can't open a file in files.directory"), "%s", err.text);
    MUST(file_delete(&bench->store, file.id, &err));
    if (folder) {
        cr_assert_eq(blob_sweep(bench->stores, &count, &err), -E_UNAVAILABLE);
        cr_assert_eq(unlink(path), 0); /* as somebody does who sees that in the log */
    }
    sweep_until(bench, 0);
    cr_assert_eq(stat(there, &stat_of), 0, "what a link points to is not ours to delete");
    cr_assert_eq(unlink(there), 0);
    if (folder) {
        *strrchr(there, '/') = '\0';
        cr_assert_eq(rmdir(there), 0);
    }
    cr_assert_eq(rmdir(elsewhere), 0);
    free(path);
    free(there);
}

static void is_replaced(struct bench *bench)
{
    check_not_followed(bench, false);
    check_not_followed(bench, true);
}

Test(blob, a_link_in_place_of_a_file_or_its_folder_is_not_followed)
{
    with_kind("directory", is_replaced);
}

static void is_led_away(struct bench *bench)
{
    char elsewhere[] = "/tmp/penstock-elsewhere.XXXXXX";
    struct blob_content content;
    struct blob_draft *draft;
    char folder[100];

    cr_assert_not_null(mkdtemp(elsewhere));
    for (int i = 0; i < 256; i++) {
        snprintf(folder, sizeof(folder), "%s/%02x", bench->directory, i);
        cr_assert_eq(symlink(elsewhere, folder), 0);
    }
    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    MUST(blob_draft_write(draft, TEXT("x"), &err));
    cr_assert_eq(blob_draft_finish(draft, &content, &err), -E_UNAVAILABLE);
    blob_draft_end(draft, false);
    cr_assert_eq(rmdir(elsewhere), 0, "something was written there");
}

Test(blob, nothing_is_written_through_a_link_in_place_of_a_folder)
{
    with_kind("directory", is_led_away);
}

static void is_pipe(struct bench *bench)
{
    struct file file = make_file(bench, 10, 10);
    char id[UUID_TEXT_SIZE];
    char path[200];
    uint8_t byte;
    size_t count;

    uuid_format(file.blob.id, id);
    snprintf(path, sizeof(path), "%s/%s/%s", bench->directory, id + UUID_TEXT_SIZE - 3, id);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_lt(blob_read(bench->stores, &file.blob, 0, &byte, 1, &count, &err), 0);
}

Test(blob, a_pipe_in_place_of_a_file_is_not_waited_for, .timeout = 60)
{
    with_kind("directory", is_pipe);
}

static void is_away(struct bench *bench)
{
    struct blob_draft *draft;
    struct blob_content content;

    cr_assert_eq(rmdir(bench->directory), 0);
    MUST(blob_draft_begin(bench->stores, bench->store.tenant, &draft, &err));
    cr_assert_eq(blob_draft_finish(draft, &content, &err), -E_UNAVAILABLE);
    cr_assert_str_eq(err.text, "can't make a folder in files.directory: No such file or directory");
    blob_draft_end(draft, false);
    cr_assert_eq(mkdir(bench->directory, 0700), 0);
}

Test(blob, a_directory_that_is_away_is_told)
{
    with_kind("directory", is_away);
}
