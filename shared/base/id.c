/* UUIDv7 and prefixed ids.
 *
 * Ids of one process are strictly increasing: within a millisecond the 12 bits after the version
 * count up (RFC 9562, section 6.2, method 1), and when they overflow or the wall clock steps back
 * the last millisecond is kept and advanced.
 */

#include "shared/base/id.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/random.h>

#include "shared/base/clock.h"

static const char *const prefixes[] = {
    [ID_ASSISTANT] = "asst_",    [ID_THREAD] = "thread_", [ID_MESSAGE] = "msg_",
    [ID_RUN] = "run_",           [ID_STEP] = "step_",     [ID_TENANT] = "tenant_",
    [ID_KEY] = "key_",           [ID_REQUEST] = "req_",   [ID_RESPONSE] = "resp_",
    [ID_CONVERSATION] = "conv_", [ID_FILE] = "file-",     [ID_UPLOAD] = "upload_",
    [ID_PART] = "part_",         [ID_BATCH] = "batch_",   [ID_SCHEDULE] = "sched_",
    [ID_FIRING] = "fire_",       [ID_WEBHOOK] = "whk_",   [ID_ENDPOINT] = "whe_",
    [ID_EVENT] = "evt_",         [ID_DELIVERY] = "dlv_",  [ID_BUDGET] = "budget_",
    [ID_SECRET] = "sec_",        [ID_TOOL] = "tool_",     [ID_MEMORY] = "mem_",
};

/* Random bytes are taken from the system in blocks: a system call each would cost more than the
 * rest of an id. */
void random_bytes(void *out, size_t len)
{
    static uint8_t pool[512];
    static size_t left;
    uint8_t *to = out;

    while (len > 0) {
        size_t take;

        if (left == 0) {
            ssize_t got = getrandom(pool, 256, 0);

            ASSERT(got == 256);
            left = 256;
        }
        take = len < left ? len : left;
        memcpy(to, pool + left - take, take);
        memset(pool + left - take, 0, take);
        left -= take;
        to += take;
        len -= take;
    }
}

uint64_t random_below(uint64_t bound)
{
    uint64_t value;

    ASSERT(bound > 0);
    random_bytes(&value, sizeof(value));
    return (uint64_t)(((unsigned __int128)value * bound) >> 64);
}

struct uuid uuid_v7(int64_t wall_ms, const uint8_t random[10])
{
    struct uuid id;

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)((uint64_t)wall_ms >> (8 * (5 - i)));
    memcpy(id.bytes + 6, random, 10);
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0F));
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3F));
    return id;
}

struct uuid uuid_new(void)
{
    static int64_t last_ms;
    static unsigned counter;
    int64_t now_ms = clock_wall_ms();
    uint8_t random[10];

    random_bytes(random, sizeof(random));
    if (now_ms > last_ms) {
        last_ms = now_ms;
        counter = random[0]; /* room to count up: below 256 of 4096 */
    } else if (++counter > 0xFFF) {
        last_ms++;
        counter = random[0];
    }
    random[0] = (uint8_t)(counter >> 8);
    random[1] = (uint8_t)counter;
    return uuid_v7(last_ms, random);
}

int64_t uuid_made_ms(struct uuid id)
{
    int64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

struct uuid uuid_derived(struct uuid id, uint8_t n)
{
    id.bytes[15] ^= n; /* random bits */
    return id;
}

bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool uuid_is_zero(struct uuid a)
{
    return uuid_equal(a, (struct uuid){{0}});
}

void uuid_format(struct uuid id, char out[UUID_TEXT_SIZE])
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    const uint8_t *from = id.bytes;
    char *to = out;

    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
        if (i > 0)
            *to++ = '-';
        to = text_put_hex(to, from, groups[i]);
        from += groups[i];
    }
    *to = '\0';
}

bool uuid_parse(struct text text, struct uuid *out)
{
    struct uuid id = {{0}};
    size_t nibble = 0;

    if (text.len != UUID_TEXT_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        int value = dash ? 0 : text_hex_digit(text.ptr[i]);

        if (dash != (text.ptr[i] == '-') || value < 0)
            return false;
        if (dash)
            continue;
        id.bytes[nibble / 2] |= (uint8_t)(nibble % 2 ? value : value << 4);
        nibble++;
    }
    *out = id;
    return true;
}

const char *id_prefix(enum id_kind kind)
{
    return prefixes[kind];
}

void id_format(enum id_kind kind, struct uuid id, char out[ID_TEXT_SIZE])
{
    size_t len = strlen(prefixes[kind]);

    memcpy(out, prefixes[kind], len);
    *text_put_hex(out + len, id.bytes, sizeof(id.bytes)) = '\0';
}

bool id_parse(enum id_kind kind, struct text text, struct uuid *out)
{
    struct uuid id = {{0}};
    size_t skip = strlen(prefixes[kind]);

    if (text.len != skip + 32 || !text_starts(text, prefixes[kind]))
        return false;
    for (size_t i = 0; i < 32; i++) {
        char c = text.ptr[skip + i];
        int value = isupper((unsigned char)c) ? -1 : text_hex_digit(c);

        if (value < 0)
            return false;
        id.bytes[i / 2] |= (uint8_t)(i % 2 ? value : value << 4);
    }
    *out = id;
    return true;
}
