/* A TZif reader (RFC 8536).
 *
 * A name is checked by its characters before it becomes part of a path, so it cannot leave the
 * database's folder; what is not a TZif file in there (zone.tab) is no zone either. Every count in
 * the file is checked against the bytes that are there before anything is read by it. Files of
 * version 1 alone, which end in 2037, and files with leap seconds ("right/") are refused.
 *
 * Reading a zone's file holds the loop. What bounds that: the largest file of the database has
 * 4 KiB (64 KiB are the most that is read), and a zone that was read stays in memory (the last
 * ZONE_CACHE_MAX of them). All 435 zones read one after another, on a busy machine of two cores:
 * 7 us each and 58 us at most where the kernel has the file in memory, 0.45 ms each and 7 ms at
 * most where it has not; 0.07 us from our memory.
 */

#include "shared/time/zone.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/time/zone_rule.h"

#define DATABASE       "/usr/share/zoneinfo"
#define FILE_MAX_BYTES ((size_t)64 << 10)
#define HEADER_BYTES   44
#define TRANSITION_MAX 5000

struct zone {
    size_t count;
    int64_t *transitions; /* ascending */
    int32_t *offsets;     /* from the transition of the same index on */
    int32_t before_s;     /* before the first one */
    bool has_rule;
    struct zone_rule rule; /* after the last one */
};

/* A zone that was read before. */
struct cached {
    struct lru_entry entry;
    struct zone *zone;
    char name[ZONE_NAME_MAX + 1];
};

struct header {
    char version;
    uint32_t ut_count, standard_count, leap_count, time_count, type_count, char_count;
};

void zone_freep(struct zone **zone)
{
    if (*zone) {
        free((*zone)->transitions);
        free((*zone)->offsets);
    }
    free(*zone);
    *zone = NULL;
}

static uint32_t read_32(const char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return be32toh(value);
}

static int64_t read_64(const char *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return (int64_t)be64toh(value);
}

static bool read_header(struct text bytes, struct header *out)
{
    if (bytes.len < HEADER_BYTES || memcmp(bytes.ptr, "TZif", 4) != 0)
        return false;
    out->version = bytes.ptr[4];
    out->ut_count = read_32(bytes.ptr + 20);
    out->standard_count = read_32(bytes.ptr + 24);
    out->leap_count = read_32(bytes.ptr + 28);
    out->time_count = read_32(bytes.ptr + 32);
    out->type_count = read_32(bytes.ptr + 36);
    out->char_count = read_32(bytes.ptr + 40);
    return out->ut_count <= 256 && out->standard_count <= 256 && out->leap_count <= 256 &&
           out->time_count <= TRANSITION_MAX && out->type_count >= 1 && out->type_count <= 256 &&
           out->char_count <= 4096;
}

/* Of the block after the header, with times of so many bytes. */
static size_t block_bytes(const struct header *header, size_t time_bytes)
{
    return header->time_count * (time_bytes + 1) + header->type_count * 6 + header->char_count +
           header->leap_count * (time_bytes + 4) + header->standard_count + header->ut_count;
}

/* Transitions and their offsets from the block at `at`. */
static bool read_block(const char *at, const struct header *header, struct zone *zone)
{
    const char *indexes = at + header->time_count * 8;
    const char *types = indexes + header->time_count;

    zone->count = header->time_count;
    zone->transitions = xcalloc(zone->count + 1, sizeof(*zone->transitions));
    zone->offsets = xcalloc(zone->count + 1, sizeof(*zone->offsets));
    zone->before_s = (int32_t)read_32(types);
    for (size_t i = 0; i < zone->count; i++) {
        unsigned type = (unsigned char)indexes[i];

        if (type >= header->type_count)
            return false;
        zone->transitions[i] = read_64(at + i * 8);
        zone->offsets[i] = (int32_t)read_32(types + type * 6);
        if (i > 0 && zone->transitions[i] <= zone->transitions[i - 1])
            return false;
        if (abs(zone->offsets[i]) > ZONE_OFFSET_MAX_S)
            return false;
    }
    return abs(zone->before_s) <= ZONE_OFFSET_MAX_S;
}

/* "\n" rule "\n"; an empty rule means that none is known. */
static bool read_footer(struct text rest, struct zone *zone)
{
    struct text rule, behind;

    if (!text_starts(rest, "\n") ||
        !text_cut((struct text){rest.ptr + 1, rest.len - 1}, '\n', &rule, &behind))
        return false;
    zone->has_rule = rule.len > 0;
    return !zone->has_rule || zone_rule_parse(rule, &zone->rule);
}

int zone_parse(struct text bytes, struct zone **out, struct error *err)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct header header;
    size_t skip, len;

    if (!read_header(bytes, &header) || header.version < '2')
        return error_set(err, E_INVALID, "not a time zone file of version 2 or later");
    skip = HEADER_BYTES + block_bytes(&header, 4);
    if (skip > bytes.len)
        return error_set(err, E_INVALID, "the time zone file is cut short");
    bytes = (struct text){bytes.ptr + skip, bytes.len - skip};
    if (!read_header(bytes, &header))
        return error_set(err, E_INVALID, "the time zone file has no second header");
    if (header.leap_count > 0)
        return error_set(err, E_INVALID, "the time zone file counts leap seconds");
    len = HEADER_BYTES + block_bytes(&header, 8);
    if (len > bytes.len)
        return error_set(err, E_INVALID, "the time zone file is cut short");
    zone = xcalloc(1, sizeof(*zone));
    if (!read_block(bytes.ptr + HEADER_BYTES, &header, zone))
        return error_set(err, E_INVALID, "the time zone file has impossible transitions");
    if (!read_footer((struct text){bytes.ptr + len, bytes.len - len}, zone))
        return error_set(err, E_INVALID, "the time zone file has a malformed rule at its end");
    *out = zone;
    zone = NULL;
    return 0;
}

/* Europe/Berlin, America/Argentina/Buenos_Aires, Etc/GMT+5. Segments begin with a letter, so there
 * is no "..", no "//" and no path from the root. */
static bool name_is_sound(struct text name)
{
    bool at_start = true;

    if (name.len == 0 || name.len > ZONE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (at_start ? !isalpha((unsigned char)c)
                     : !isalnum((unsigned char)c) && !strchr("_+-/", c))
            return false;
        if (c == '\0')
            return false;
        at_start = c == '/';
    }
    return !at_start && !text_starts(name, "right/") && !text_starts(name, "posix/");
}

static bool read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got = -1;

    if (fd < 0)
        return false;
    do {
        char *to = buf_reserve(out, 8192);

        if (!to)
            break;
        got = read(fd, to, 8192);
        if (got > 0)
            out->len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    close(fd);
    return got == 0;
}

static int load(struct text name, struct zone **out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf bytes;
    char path[sizeof(DATABASE) + 1 + ZONE_NAME_MAX];
    char shown[ZONE_NAME_MAX + 1];

    buf_init(&bytes, FILE_MAX_BYTES);
    if (text_is(name, "UTC")) {
        *out = xcalloc(1, sizeof(**out));
        return 0;
    }
    if (name_is_sound(name)) {
        snprintf(path, sizeof(path), DATABASE "/%.*s", TEXT_ARGS(name));
        if (read_file(path, &bytes) && zone_parse(buf_text(&bytes), out, NULL) == 0)
            return 0;
        if (access(DATABASE, F_OK) != 0)
            return error_set(err, E_INVALID,
                             "this server has no time zone database: only UTC is known");
    }
    text_excerpt(name, shown, sizeof(shown));
    return error_set(err, E_INVALID,
                     "unknown time zone \"%s\": expected an IANA name such as Europe/Berlin, "
                     "America/New_York or UTC",
                     shown);
}

static struct cached *cached_of(const struct lru_entry *entry)
{
    return CONTAINER_OF(entry, struct cached, entry);
}

static bool matches(const struct lru_entry *entry, const void *key)
{
    return text_is(*(const struct text *)key, cached_of(entry)->name);
}

static void drop(struct lru_entry *entry)
{
    zone_freep(&cached_of(entry)->zone);
    free(cached_of(entry));
}

int zone_get(struct text name, const struct zone **out, struct error *err)
{
    static struct lru cache;
    struct lru_entry *entry;
    struct cached *made;
    struct zone *zone;
    int r;

    if (cache.max == 0)
        lru_init(&cache, ZONE_CACHE_MAX, matches, drop);
    entry = lru_find(&cache, text_hash(name), &name);
    if (entry) {
        *out = cached_of(entry)->zone;
        return 0;
    }
    r = load(name, &zone, err);
    if (r < 0)
        return r;
    made = xcalloc(1, sizeof(*made));
    made->zone = zone;
    memcpy(made->name, name.ptr, name.len);
    lru_add(&cache, text_hash(name), &made->entry);
    *out = zone;
    return 0;
}

/* How many transitions are not after the instant. */
static size_t transitions_until(const struct zone *zone, int64_t unix_s)
{
    size_t low = 0, high = zone->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->transitions[middle] <= unix_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t zone_offset(const struct zone *zone, int64_t unix_s)
{
    size_t passed = transitions_until(zone, unix_s);

    if (passed == zone->count && zone->has_rule)
        return zone_rule_offset(&zone->rule, unix_s);
    return passed == 0 ? zone->before_s : zone->offsets[passed - 1];
}

void zone_span_at(const struct zone *zone, int64_t unix_s, struct zone_span *out)
{
    size_t passed = transitions_until(zone, unix_s);
    int64_t begin_s = passed > 0 ? zone->transitions[passed - 1] : INT64_MIN;

    if (passed == zone->count && zone->has_rule) {
        zone_rule_span(&zone->rule, unix_s, &out->begin_s, &out->end_s);
        out->offset_s = zone_rule_offset(&zone->rule, unix_s);
        if (out->begin_s < begin_s)
            out->begin_s = begin_s;
        return;
    }
    out->begin_s = begin_s;
    out->end_s = passed < zone->count ? zone->transitions[passed] : INT64_MAX;
    out->offset_s = passed > 0 ? zone->offsets[passed - 1] : zone->before_s;
}

/* Before `local_s` less the greatest of offsets no clock has come so far; from there on each span
 * is asked when its clocks do. The last span has no end, so this ends. */
int64_t zone_instant(const struct zone *zone, int64_t local_s)
{
    int64_t at = local_s - ZONE_OFFSET_MAX_S;

    for (;;) {
        struct zone_span span;

        zone_span_at(zone, at, &span);
        if (at < local_s - span.offset_s)
            at = local_s - span.offset_s;
        if (at < span.end_s)
            return at;
        at = span.end_s;
    }
}
