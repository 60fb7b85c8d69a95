/* Files, blobs and uploads. */

#include "fixture.h"

#include <stdio.h>

#include "shared/store/files/blob_chunks.h"
#include "shared/store/files/files.h"
#include "shared/store/files/uploads.h"

#define QUOTA 1000

/* A blob that was written, whose content is told by `digest`. */
static struct blob_content written(const struct store *store, int digest, int64_t bytes)
{
    struct blob_content content = {.id = uuid_new(), .bytes = bytes, .quota = QUOTA};

    memset(content.sha256, digest, sizeof(content.sha256));
    MUST(blob_begin(store, content.id, "postgres", &test_err));
    return content;
}

static struct new_file named(const char *name)
{
    return (struct new_file){
        .id = uuid_new(), .filename = text_of(name), .purpose = TEXT("assistants")};
}

static struct file must_file(const struct store *store, const char *name, int digest, int64_t bytes,
                             bool *out_spare)
{
    struct blob_content content = written(store, digest, bytes);
    struct new_file file = named(name);
    struct file made;

    MUST(file_create(store, &file, &content, &made, out_spare, &test_err));
    return made;
}

static int64_t held(const struct store *store)
{
    int64_t bytes;

    MUST(blobs_held(store, &bytes, &test_err));
    return bytes;
}

static void keeps_one(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct file first;
    struct file second;
    struct file seen;
    bool spare = true;

    first = must_file(store, "a.txt", 1, 400, &spare);
    cr_assert_not(spare);
    cr_assert(text_is(first.filename, "a.txt") && first.bytes == 400 && first.expires_at == 0);
    second = must_file(store, "b.txt", 1, 400, &spare);
    cr_assert(spare);
    (void)must_file(&other, "c.txt", 1, 400, &spare);
    cr_assert_not(spare, "content of others is nobody's business");
    cr_assert_eq(held(store), 400);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'ready'"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'unwanted'"), 1);

    MUST(file_get(store, first.id, &seen, &test_err));
    cr_assert_eq(seen.blob.sha256[31], 1);
    cr_assert_str_eq(seen.blob.store, "postgres");
    GIVES(FILE_MISSING, file_get(&other, first.id, &seen, &test_err));
    GIVES(FILE_MISSING, file_delete(&other, first.id, &test_err));

    MUST(file_delete(store, first.id, &test_err));
    GIVES(FILE_MISSING, file_delete(store, first.id, &test_err));
    MUST(file_get(store, second.id, &seen, &test_err));
    cr_assert_eq(held(store), 400);
    MUST(file_delete(store, second.id, &test_err));
    cr_assert_eq(held(store), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'ready'"), 1);
}

Test(files, equal_content_is_one_blob_of_a_tenant_until_its_last_file_is_gone)
{
    with_store(keeps_one);
}

static void has_a_quota(struct store *store)
{
    struct blob_content content;
    struct new_file file = named("x");
    struct file made;
    bool spare;

    (void)must_file(store, "a", 1, 600, &spare);
    content = written(store, 2, 401);
    GIVES(FILES_FULL, file_create(store, &file, &content, &made, &spare, &test_err));
    content = written(store, 3, QUOTA + 1);
    GIVES(FILES_FULL, file_create(store, &file, &content, &made, &spare, &test_err));
    (void)must_file(store, "the same again", 1, 600, &spare);
    (void)must_file(store, "b", 4, 400, &spare);
    cr_assert_eq(held(store), QUOTA);
    cr_assert_eq(sql_int("SELECT count(*) FROM files"), 3);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'writing'"), 2,
                 "who wrote them gives them up");
}

Test(files, a_tenant_has_a_quota_which_equal_content_does_not_use)
{
    with_store(has_a_quota);
}

static void is_lost(struct store *store)
{
    struct blob_content content = written(store, 1, 10);
    struct new_file file = named("x");
    struct file made;
    bool spare;

    MUST(blob_touch(store->pg, content.id, TEXT("hint"), &test_err));
    MUST(blob_give_up(store->pg, content.id, &test_err));
    MUST(blob_give_up(store->pg, content.id, &test_err));
    MUST(blob_give_up(store->pg, uuid_new(), &test_err));
    GIVES(BLOB_LOST, blob_touch(store->pg, content.id, TEXT_NONE, &test_err));
    GIVES(BLOB_LOST, file_create(store, &file, &content, &made, &spare, &test_err));
    cr_assert_eq(held(store), 0);
    (void)must_file(store, "a", 1, 10, &spare);
    GIVES(BLOB_LOST, file_create(store, &file, &content, &made, &spare, &test_err));
    cr_assert_eq(sql_int("SELECT refs FROM blobs WHERE state = 'ready'"), 1);

    content = written(store, 9, 10);
    MUST(file_create(store, &file, &content, &made, &spare, &test_err));
    GIVES(BLOB_KEPT, blob_give_up(store->pg, content.id, &test_err));
}

Test(files, what_was_given_up_meanwhile_becomes_no_file)
{
    with_store(is_lost);
}

static void taken(struct store *store)
{
    struct blob_content one = written(store, 1, 10);
    struct blob_content two = written(store, 1, 10);
    struct new_file file = named("x");
    struct file made;
    bool spare;

    MUST(file_create(store, &file, &one, &made, &spare, &test_err));
    GIVES(-E_CONFLICT, file_create(store, &file, &two, &made, &spare, &test_err));
    cr_assert_eq(sql_int("SELECT refs FROM blobs WHERE state = 'ready'"), 1);
    cr_assert_eq(held(store), 10);
}

Test(files, the_same_id_again_is_a_conflict_and_counts_nothing)
{
    with_store(taken);
}

struct racer {
    const struct store *store;
    struct blob_content content;
    int result;
};

static void race(void *arg)
{
    struct racer *racer = arg;
    struct new_file file = named("raced");
    struct file made;
    bool spare;

    do
        racer->result = file_create(racer->store, &file, &racer->content, &made, &spare, &test_err);
    while (racer->result == -E_CONFLICT);
}

static void at_once(struct store *store)
{
    struct pg *pgs[8];
    struct store stores[8];
    struct racer racers[8];
    struct fiber *fibers[8];

    for (size_t i = 0; i < 8; i++) {
        pgs[i] = another_pg();
        stores[i] = *store;
        stores[i].pg = pgs[i];
        racers[i] = (struct racer){&stores[i], written(store, 7, 100), 0};
    }
    for (size_t i = 0; i < 8; i++)
        fibers[i] = fiber_start("racer", race, &racers[i]);
    for (size_t i = 0; i < 8; i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(racers[i].result, 0);
        pg_close(pgs[i]);
    }
    cr_assert_eq(sql_int("SELECT count(*) FROM files"), 8);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'ready'"), 1);
    cr_assert_eq(sql_int("SELECT refs FROM blobs WHERE state = 'ready'"), 8);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'unwanted'"), 7);
    cr_assert_eq(held(store), 100);
}

Test(files, equal_content_that_comes_at_the_same_time_is_one_blob)
{
    with_store(at_once);
}

static void expire(struct store *store)
{
    struct new_file file = named("short");
    struct blob_content content = written(store, 1, 10);
    struct file made;
    struct file_list list;
    bool spare;
    bool more;

    file.seconds = 3600;
    MUST(file_create(store, &file, &content, &made, &spare, &test_err));
    cr_assert_eq(made.expires_at - made.created_at, 3600);
    (void)must_file(store, "long", 1, 10, &spare);
    MUST(files_expire(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM files"), 2);

    sql_do("UPDATE files SET expires_at = now() - interval '1 s' WHERE filename = 'short'");
    GIVES(FILE_MISSING, file_get(store, made.id, &made, &test_err));
    GIVES(FILE_MISSING, file_delete(store, made.id, &test_err));
    MUST(file_list(store, &(struct file_page){.page.limit = 10}, &list, &test_err));
    cr_assert_eq(list.count, 1);
    MUST(files_expire(store->pg, &more, &test_err));
    cr_assert_not(more);
    cr_assert_eq(sql_int("SELECT count(*) FROM files"), 1);
    cr_assert_eq(sql_int("SELECT refs FROM blobs WHERE state = 'ready'"), 1);
}

Test(files, one_that_has_expired_is_not_there_and_goes)
{
    with_store(expire);
}

static void lists(struct store *store)
{
    struct file_list list;
    struct file_page page = {.page = {.limit = 3}};
    struct uuid ids[5];
    bool spare;

    for (int i = 0; i < 5; i++) {
        char name[8];

        snprintf(name, sizeof(name), "f%d", i);
        ids[i] = must_file(store, name, i, 10, &spare).id;
    }
    sql_do("UPDATE files SET purpose = 'vision' WHERE filename IN ('f1', 'f3')");
    MUST(file_list(store, &page, &list, &test_err));
    cr_assert(list.count == 3 && list.has_more && uuid_equal(list.items[0].id, ids[4]));
    page.page.after = list.items[2].id;
    MUST(file_list(store, &page, &list, &test_err));
    cr_assert(list.count == 2 && !list.has_more && uuid_equal(list.items[1].id, ids[0]));
    page = (struct file_page){.page = {.limit = 1, .ascending = true}, .purpose = TEXT("vision")};
    MUST(file_list(store, &page, &list, &test_err));
    cr_assert(list.count == 1 && list.has_more && uuid_equal(list.items[0].id, ids[1]));
    page = (struct file_page){.page = {.limit = 10, .bytes_max = 600}};
    MUST(file_list(store, &page, &list, &test_err));
    cr_assert(list.count == 2 && list.has_more, "%zu", list.count);
    page = (struct file_page){.page = {.limit = 10, .before = ids[3]}};
    MUST(file_list(store, &page, &list, &test_err));
    cr_assert(list.count == 1 && uuid_equal(list.items[0].id, ids[4]));
}

Test(files, lists_are_pages_by_id_and_by_purpose)
{
    with_store(lists);
}

static void sweeps(struct store *store)
{
    struct blob_content content = written(store, 1, 10);
    struct blob_places places;

    MUST(blob_touch(store->pg, content.id, TEXT("upload 7"), &test_err));
    MUST(blobs_left(store, 60000, 10, &places, &test_err));
    cr_assert_eq(places.count, 0);
    sql_do("UPDATE blobs SET touched_at = now() - interval '61 s'");
    MUST(blobs_left(store, 60000, 10, &places, &test_err));
    cr_assert_eq(places.count, 1);
    cr_assert(uuid_equal(places.items[0].id, content.id));
    cr_assert(text_is(places.items[0].hint, "upload 7"));
    MUST(blob_forget(store->pg, content.id, &test_err));
    MUST(blobs_left(store, 60000, 10, &places, &test_err));
    cr_assert_eq(places.count, 0);
}

Test(files, what_nobody_writes_to_any_more_is_found)
{
    with_store(sweeps);
}

static void chunks(struct store *store)
{
    static char bytes[BLOB_CHUNK_BYTES];
    static uint8_t read[BLOB_CHUNK_BYTES];
    struct uuid blob = uuid_new();
    size_t count = 9;
    bool more;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 31 + i / 256);
    for (int i = 0; i < 3; i++)
        MUST(blob_chunk_put(store->pg, blob, i * (int64_t)BLOB_CHUNK_BYTES,
                            (struct text){bytes, i < 2 ? sizeof(bytes) : 5}, &test_err));
    MUST(blob_chunk_put(store->pg, blob, 0, (struct text){bytes, sizeof(bytes)}, &test_err));
    MUST(blob_chunk_get(store->pg, blob, 0, read, sizeof(read), &count, &test_err));
    cr_assert(count == sizeof(bytes) && memcmp(read, bytes, count) == 0);
    MUST(blob_chunk_get(store->pg, blob, (int64_t)BLOB_CHUNK_BYTES + 100, read, 10, &count,
                        &test_err));
    cr_assert(count == 10 && memcmp(read, bytes + 100, 10) == 0);
    MUST(blob_chunk_get(store->pg, blob, 2 * (int64_t)BLOB_CHUNK_BYTES + 3, read, sizeof(read),
                        &count, &test_err));
    cr_assert_eq(count, 2);
    MUST(
        blob_chunk_get(store->pg, blob, 3 * (int64_t)BLOB_CHUNK_BYTES, read, 1, &count, &test_err));
    cr_assert_eq(count, 0);
    MUST(blob_chunks_delete(store->pg, blob, &more, &test_err));
    cr_assert_not(more);
    cr_assert_eq(sql_int("SELECT count(*) FROM blob_chunks"), 0);
    MUST(blob_chunks_delete(store->pg, blob, &more, &test_err));
}

Test(files, bytes_lie_in_chunks_of_which_any_piece_is_read)
{
    with_store(chunks);
}

static struct upload must_upload(const struct store *store)
{
    struct new_upload asked = {
        .id = uuid_new(),
        .filename = TEXT("big.bin"),
        .purpose = TEXT("user_data"),
        .mime_type = TEXT("application/octet-stream"),
        .bytes = 30,
    };
    struct upload upload;

    MUST(upload_create(store, &asked, &upload, &test_err));
    cr_assert(text_is(upload.status, "pending"));
    cr_assert_eq(upload.expires_at - upload.created_at, UPLOAD_SECONDS);
    return upload;
}

static struct uuid must_part(const struct store *store, struct uuid upload, int digest,
                             int64_t bytes)
{
    struct blob_content content = written(store, digest, bytes);
    struct upload_part part;
    bool spare;

    MUST(upload_add_part(store, upload, uuid_new(), &content, &part, &spare, &test_err));
    cr_assert_eq(part.bytes, bytes);
    return part.id;
}

static void completes(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct upload upload = must_upload(store);
    struct new_file file = named("big.bin");
    struct blob_content content;
    struct upload_parts parts;
    struct upload_part part;
    struct uuid ids[2];
    bool spare;

    ids[0] = must_part(store, upload.id, 1, 10);
    ids[1] = must_part(store, upload.id, 2, 20);
    MUST(upload_list_parts(store, upload.id, &parts, &test_err));
    cr_assert(parts.count == 2 && uuid_equal(parts.items[1].id, ids[1]));
    MUST(upload_get_part(store, upload.id, ids[1], &part, &test_err));
    cr_assert_eq(part.blob.sha256[0], 2);
    GIVES(PART_MISSING, upload_get_part(store, uuid_new(), ids[1], &part, &test_err));
    GIVES(PART_MISSING, upload_get_part(&other, upload.id, ids[1], &part, &test_err));
    GIVES(UPLOAD_MISSING, upload_get(&other, upload.id, &upload, &test_err));
    cr_assert_eq(held(store), 30);

    content = written(store, 3, 30);
    content.quota = 100;
    MUST(upload_complete(store, upload.id, &file, &content, &spare, &test_err));
    MUST(upload_get(store, upload.id, &upload, &test_err));
    cr_assert(text_is(upload.status, "completed") && uuid_equal(upload.file, file.id));
    cr_assert_eq(held(store), 30);
    cr_assert_eq(sql_int("SELECT count(*) FROM upload_parts"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM blobs WHERE state = 'unwanted'"), 2);

    content = written(store, 4, 30);
    GIVES(UPLOAD_OVER, upload_complete(store, upload.id, &file, &content, &spare, &test_err));
    GIVES(UPLOAD_OVER,
          upload_add_part(store, upload.id, uuid_new(), &content, &part, &spare, &test_err));
    GIVES(UPLOAD_OVER, upload_cancel(store, upload.id, &test_err));
    GIVES(UPLOAD_MISSING, upload_cancel(&other, upload.id, &test_err));
}

Test(uploads, parts_become_the_file_and_go)
{
    with_store(completes);
}

static void one_part(struct store *store)
{
    struct upload upload = must_upload(store);
    struct new_file file = named("big.bin");
    struct blob_content content;
    bool spare;

    (void)must_part(store, upload.id, 1, 30);
    (void)must_part(store, upload.id, 1, 30);
    content = written(store, 1, 30);
    MUST(upload_complete(store, upload.id, &file, &content, &spare, &test_err));
    cr_assert(spare);
    cr_assert_eq(sql_int("SELECT refs FROM blobs WHERE state = 'ready'"), 1);
    cr_assert_eq(held(store), 30);
    MUST(file_delete(store, file.id, &test_err));
    cr_assert_eq(held(store), 0);
}

Test(uploads, the_file_may_be_what_a_part_was)
{
    with_store(one_part);
}

static void ends(struct store *store)
{
    struct upload cancelled = must_upload(store);
    struct upload late = must_upload(store);
    struct blob_content content = written(store, 5, 10);
    struct upload_part part;
    bool spare;
    bool more;

    (void)must_part(store, cancelled.id, 1, 10);
    (void)must_part(store, late.id, 2, 10);
    MUST(upload_cancel(store, cancelled.id, &test_err));
    MUST(upload_get(store, cancelled.id, &cancelled, &test_err));
    cr_assert(text_is(cancelled.status, "cancelled"));
    cr_assert_eq(held(store), 10);

    sql_do("UPDATE uploads SET expires_at = now() WHERE id = '%s'", show(late.id));
    MUST(upload_get(store, late.id, &late, &test_err));
    cr_assert(text_is(late.status, "expired"));
    GIVES(UPLOAD_OVER,
          upload_add_part(store, late.id, uuid_new(), &content, &part, &spare, &test_err));
    GIVES(UPLOAD_OVER, upload_cancel(store, late.id, &test_err));
    MUST(uploads_expire(store->pg, &more, &test_err));
    cr_assert_eq(held(store), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM upload_parts"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM uploads WHERE status = 'expired'"), 1);
    sql_do("UPDATE uploads SET created_at = now() - interval '25 h'");
    MUST(uploads_expire(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM uploads"), 0);
}

Test(uploads, one_that_is_cancelled_or_expired_has_no_parts)
{
    with_store(ends);
}
