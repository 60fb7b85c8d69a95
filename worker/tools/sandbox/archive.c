/* The archive. */

#include "worker/tools/sandbox/archive.h"

#include "shared/base/error.h"

static bool part_fits(struct text part)
{
    return part.len > 0 && part.len <= 255 && !text_is(part, ".") && !text_is(part, "..");
}

bool archive_path_fits(struct text path)
{
    struct text rest = path;
    struct text part;
    int depth = 1;

    if (path.len == 0 || path.len > ARCHIVE_PATH_MAX || !text_is_utf8(path))
        return false;
    for (size_t i = 0; i < path.len; i++)
        if ((unsigned char)path.ptr[i] < ' ' || path.ptr[i] == 0x7f)
            return false;
    while (text_cut(rest, '/', &part, &rest)) {
        if (!part_fits(part) || ++depth > ARCHIVE_DEPTH_MAX)
            return false;
    }
    return part_fits(rest);
}

void archive_add(struct buf *out, const struct archive_entry *entry)
{
    const struct archive_head head = {
        .magic = ARCHIVE_MAGIC,
        .kind = (uint8_t)entry->kind,
        .executable = entry->executable,
        .path_bytes = (uint16_t)entry->path.len,
        .bytes = entry->bytes.len,
    };

    ASSERT(entry->path.len <= ARCHIVE_PATH_MAX);
    buf_add(out, &head, sizeof(head));
    buf_add_text(out, entry->path);
    buf_add_text(out, entry->bytes);
}

static bool kind_is_known(uint8_t kind)
{
    return kind == ARCHIVE_FILE || kind == ARCHIVE_FOLDER || kind == ARCHIVE_SKIPPED ||
           kind == ARCHIVE_END;
}

int archive_next(struct text *rest, struct archive_entry *out, struct error *err)
{
    struct archive_head head;
    struct archive_entry entry;

    if (rest->len == 0)
        return ARCHIVE_OVER;
    if (rest->len < sizeof(head))
        return error_set(err, E_PROTOCOL, "the archive ends within an entry");
    memcpy(&head, rest->ptr, sizeof(head));
    if (head.magic != ARCHIVE_MAGIC || !kind_is_known(head.kind) ||
        head.path_bytes > rest->len - sizeof(head) ||
        head.bytes > rest->len - sizeof(head) - head.path_bytes)
        return error_set(err, E_PROTOCOL, "the archive has an entry that is none");
    entry = (struct archive_entry){
        .kind = (enum archive_kind)head.kind,
        .executable = head.executable != 0,
        .path = {rest->ptr + sizeof(head), head.path_bytes},
        .bytes = {rest->ptr + sizeof(head) + head.path_bytes, (size_t)head.bytes},
    };
    if (entry.kind != ARCHIVE_END && !archive_path_fits(entry.path))
        return error_set(err, E_PROTOCOL, "the archive has a path that is none");
    rest->ptr = entry.bytes.ptr + entry.bytes.len;
    rest->len -= sizeof(head) + entry.path.len + entry.bytes.len;
    *out = entry;
    return 0;
}
