/* Master keys: read, found, wiped. */

#include "shared/secrets/key_ring.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/text/base64.h"

#define FILE_BYTES_MAX 4096

struct keys {
    struct master_key items[MASTER_KEYS_MAX];
    size_t count;
};

struct key_ring {
    struct keys keys;
    char *file; /* NULL: they were given as text */
};

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',';
}

static bool read_hex(struct text word, uint8_t out[MASTER_KEY_BYTES])
{
    if (word.len != 2 * MASTER_KEY_BYTES)
        return false;
    for (size_t i = 0; i < MASTER_KEY_BYTES; i++) {
        int high = text_hex_digit(word.ptr[2 * i]);
        int low = text_hex_digit(word.ptr[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_base64(struct text word, uint8_t out[MASTER_KEY_BYTES])
{
    struct buf bytes;
    bool right;

    if (word.len != BASE64_BYTES(MASTER_KEY_BYTES))
        return false;
    buf_init(&bytes, BASE64_BYTES(MASTER_KEY_BYTES));
    right = buf_reserve(&bytes, MASTER_KEY_BYTES) && base64_read(word, &bytes) && !bytes.failed &&
            bytes.len == MASTER_KEY_BYTES;
    if (right)
        memcpy(out, bytes.ptr, MASTER_KEY_BYTES);
    if (bytes.ptr)
        OPENSSL_cleanse(bytes.ptr, bytes.len);
    buf_deinit(&bytes);
    return right;
}

/* Of the key itself nothing can be learned from it. */
static void name_key(struct master_key *key)
{
    uint8_t digest[SHA256_BYTES];

    hmac_sha256((struct text){(const char *)key->bytes, MASTER_KEY_BYTES},
                TEXT("penstock master key id"), digest);
    *text_put_hex(key->id, digest, (KEY_ID_SIZE - 1) / 2) = '\0';
}

static int add_key(struct keys *keys, struct text word, struct error *err)
{
    struct master_key *key = &keys->items[keys->count];

    if (keys->count == MASTER_KEYS_MAX)
        return error_set(err, E_INVALID, "there are more than %d master keys", MASTER_KEYS_MAX);
    if (!read_hex(word, key->bytes) && !read_base64(word, key->bytes))
        return error_set(err, E_INVALID,
                         "master key number %zu is none: expected 32 bytes in base64 (44 "
                         "characters) or as 64 hexadecimal digits, such as openssl rand -base64 32 "
                         "prints",
                         keys->count + 1);
    name_key(key);
    keys->count++;
    return 0;
}

static int read_keys(struct text text, struct keys *out, struct error *err)
{
    size_t at = 0;

    while (at < text.len) {
        size_t begin = at;
        int r;

        if (is_between(text.ptr[at])) {
            at++;
            continue;
        }
        if (text.ptr[at] == '#') {
            while (at < text.len && text.ptr[at] != '\n')
                at++;
            continue;
        }
        while (at < text.len && !is_between(text.ptr[at]))
            at++;
        r = add_key(out, (struct text){text.ptr + begin, at - begin}, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_file(const char *path, struct keys *out, struct error *err)
{
    char text[FILE_BYTES_MAX + 1];
    FILE *file = fopen(path, "re");
    size_t count;
    int r;

    if (!file)
        return error_set(err, E_INVALID, "the file of the master key, %.120s, can't be read", path);
    setbuf(file, NULL); /* no copy that nobody wipes */
    count = fread(text, 1, sizeof(text), file);
    if (ferror(file) || count > FILE_BYTES_MAX)
        r = error_set(err, E_INVALID, "the file of the master key, %.120s, %s", path,
                      ferror(file) ? "can't be read" : "is too large");
    else
        r = read_keys((struct text){text, count}, out, err);
    if (r == 0 && out->count == 0)
        r = error_set(err, E_INVALID, "the file of the master key, %.120s, holds no key", path);
    (void)fclose(file);
    OPENSSL_cleanse(text, sizeof(text));
    return r;
}

int key_ring_open(const char *keys, const char *file, struct key_ring **out, struct error *err)
{
    struct key_ring *ring = xcalloc(1, sizeof(*ring));
    bool has_keys = keys && *keys;
    bool has_file = file && *file;
    int r = 0;

    if (has_keys && has_file)
        r = error_set(err, E_INVALID, "the master key is said twice: as itself and by a file");
    else if (has_file)
        r = read_file(file, &ring->keys, err);
    else if (has_keys)
        r = read_keys(text_of(keys), &ring->keys, err);
    if (r < 0) {
        key_ring_free(ring);
        return r;
    }
    ring->file = has_file ? xstrdup(file) : NULL;
    *out = ring;
    return 0;
}

void key_ring_free(struct key_ring *ring)
{
    if (!ring)
        return;
    free(ring->file);
    OPENSSL_cleanse(ring, sizeof(*ring));
    free(ring);
}

void key_ring_refresh(struct key_ring *ring)
{
    struct keys keys = {.count = 0};

    if (!ring->file)
        return;
    if (read_file(ring->file, &keys, NULL) == 0)
        ring->keys = keys;
    OPENSSL_cleanse(&keys, sizeof(keys));
}

const struct master_key *key_ring_current(const struct key_ring *ring)
{
    return ring->keys.count > 0 ? &ring->keys.items[0] : NULL;
}

static const struct master_key *find(const struct key_ring *ring, struct text id)
{
    for (size_t i = 0; i < ring->keys.count; i++)
        if (text_is(id, ring->keys.items[i].id))
            return &ring->keys.items[i];
    return NULL;
}

const struct master_key *key_ring_find(struct key_ring *ring, struct text id)
{
    const struct master_key *key = find(ring, id);

    if (key)
        return key;
    key_ring_refresh(ring);
    return find(ring, id);
}
