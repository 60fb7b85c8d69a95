/* Envelope encryption, by OpenSSL's AES-256-GCM. */

#include "shared/secrets/envelope.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "shared/base/error.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16

#define WIPED_BEHIND 16 /* where it ends, it may have ended a little later before */

/* What a key is used for: no ciphertext of one use is one of the other. */
enum use { USE_VALUE, USE_KEY };

_Static_assert(NONCE_BYTES + TAG_BYTES == SEAL_BYTES, "a nonce and a tag");

static void begin(EVP_CIPHER_CTX *context, bool seals, const uint8_t key[MASTER_KEY_BYTES],
                  const uint8_t *nonce)
{
    int ok = EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, seals);

    ASSERT(ok == 1);
}

/* Authenticates the place; lengths are in it, so that no two places look alike. */
static void bind(EVP_CIPHER_CTX *context, enum use use, const struct secret_place *place)
{
    const char *what = use == USE_KEY ? "penstock secret key 1" : "penstock secret value 1";
    int ignored;
    int ok =
        EVP_CipherUpdate(context, NULL, &ignored, (const uint8_t *)what, (int)strlen(what) + 1);

    ASSERT(ok == 1);
    ok = EVP_CipherUpdate(context, NULL, &ignored, place->tenant.bytes,
                          (int)sizeof(place->tenant.bytes));
    ASSERT(ok == 1);
    ok = EVP_CipherUpdate(context, NULL, &ignored, (const uint8_t *)place->name.ptr,
                          (int)place->name.len);
    ASSERT(ok == 1);
}

/* Writes bytes.len + SEAL_BYTES. */
static void seal(const uint8_t key[MASTER_KEY_BYTES], enum use use,
                 const struct secret_place *place, struct text bytes, uint8_t *out)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *body = out + NONCE_BYTES;
    int count = 0;
    int ok;

    ASSERT(context);
    random_bytes(out, NONCE_BYTES);
    begin(context, true, key, out);
    bind(context, use, place);
    ok = EVP_CipherUpdate(context, body, &count, (const uint8_t *)bytes.ptr, (int)bytes.len);
    ASSERT(ok == 1 && (size_t)count == bytes.len);
    ok = EVP_CipherFinal_ex(context, body + bytes.len, &count);
    ASSERT(ok == 1 && count == 0);
    ok = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, body + bytes.len);
    ASSERT(ok == 1);
    EVP_CIPHER_CTX_free(context);
}

/* Writes len - SEAL_BYTES. False: it was not sealed like this. */
static bool open_sealed(const uint8_t key[MASTER_KEY_BYTES], enum use use,
                        const struct secret_place *place, const uint8_t *sealed, size_t len,
                        uint8_t *out)
{
    EVP_CIPHER_CTX *context;
    uint8_t tag[TAG_BYTES];
    int count = 0;
    bool right;

    if (len < SEAL_BYTES)
        return false;
    context = EVP_CIPHER_CTX_new();
    ASSERT(context);
    memcpy(tag, sealed + len - TAG_BYTES, TAG_BYTES);
    begin(context, false, key, sealed);
    bind(context, use, place);
    right = EVP_CipherUpdate(context, out, &count, sealed + NONCE_BYTES, (int)(len - SEAL_BYTES)) ==
                1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
            EVP_CipherFinal_ex(context, out + count, &count) == 1;
    if (!right)
        OPENSSL_cleanse(out, len - SEAL_BYTES);
    EVP_CIPHER_CTX_free(context);
    return right;
}

static void wrap(const struct master_key *master, const struct secret_place *place,
                 const uint8_t key[MASTER_KEY_BYTES], struct envelope *out)
{
    memcpy(out->key_id, master->id, KEY_ID_SIZE);
    seal(master->bytes, USE_KEY, place, (struct text){(const char *)key, MASTER_KEY_BYTES},
         out->wrapped);
}

static int unwrap(struct key_ring *ring, const struct secret_place *place,
                  const struct envelope *envelope, uint8_t key[MASTER_KEY_BYTES], struct error *err)
{
    const struct master_key *master = key_ring_find(ring, text_of(envelope->key_id));

    if (!master)
        return error_set(err, E_NOT_FOUND,
                         "the secret %.*s is sealed under the master key %s, which is not among "
                         "those that are configured here",
                         TEXT_ARGS(place->name), envelope->key_id);
    if (!open_sealed(master->bytes, USE_KEY, place, envelope->wrapped, WRAPPED_BYTES, key))
        return error_set(err, E_CONTENT, "the secret %.*s is not as it was sealed",
                         TEXT_ARGS(place->name));
    return 0;
}

static int no_key(struct error *err)
{
    return error_set(err, E_DENIED,
                     "there is no master key: set PENSTOCK_MASTER_KEY_FILE or PENSTOCK_MASTER_KEY "
                     "for schedulers and workers (openssl rand -base64 32)");
}

int envelope_seal(struct key_ring *ring, const struct secret_place *place, struct text value,
                  struct envelope *out, struct error *err)
{
    const struct master_key *master;
    uint8_t key[MASTER_KEY_BYTES];
    int ok;

    if (value.len < SECRET_BYTES_MIN || value.len > SECRET_BYTES_MAX)
        return error_set(err, E_INVALID, "a secret has %d to %d bytes, not %zu", SECRET_BYTES_MIN,
                         SECRET_BYTES_MAX, value.len);
    key_ring_refresh(ring);
    master = key_ring_current(ring);
    if (!master)
        return no_key(err);
    ok = RAND_priv_bytes(key, sizeof(key));
    ASSERT(ok == 1);
    wrap(master, place, key, out);
    seal(key, USE_VALUE, place, value, out->sealed);
    out->sealed_bytes = value.len + SEAL_BYTES;
    OPENSSL_cleanse(key, sizeof(key));
    return 0;
}

int envelope_open(struct key_ring *ring, const struct secret_place *place,
                  const struct envelope *envelope, struct buf *out, struct error *err)
{
    uint8_t key[MASTER_KEY_BYTES];
    size_t bytes = envelope->sealed_bytes > SEAL_BYTES ? envelope->sealed_bytes - SEAL_BYTES : 0;
    char *room;
    int r = unwrap(ring, place, envelope, key, err);

    if (r < 0)
        return r;
    room = buf_reserve(out, bytes);
    if (!room)
        r = error_set(err, E_LIMIT, "there is no room for the secret");
    else if (!open_sealed(key, USE_VALUE, place, envelope->sealed, envelope->sealed_bytes,
                          (uint8_t *)room))
        r = error_set(err, E_CONTENT, "the secret %.*s is not as it was sealed",
                      TEXT_ARGS(place->name));
    else
        out->ptr[out->len += bytes] = '\0';
    OPENSSL_cleanse(key, sizeof(key));
    return r;
}

int envelope_rewrap(struct key_ring *ring, const struct secret_place *place,
                    struct envelope *envelope, struct error *err)
{
    const struct master_key *master = key_ring_current(ring);
    uint8_t key[MASTER_KEY_BYTES];
    int r;

    if (!master)
        return no_key(err);
    r = unwrap(ring, place, envelope, key, err);
    if (r < 0)
        return r;
    master = key_ring_current(ring); /* the ring may have been read anew */
    wrap(master, place, key, envelope);
    OPENSSL_cleanse(key, sizeof(key));
    return 0;
}

void secret_buf_init(struct buf *buf, size_t bytes)
{
    buf_init(buf, bytes > 0 ? bytes : 1);
    if (buf_reserve(buf, bytes)) /* a failed one says so at its end */
        buf->ptr[0] = '\0';
}

void secret_buf_wipe(struct buf *buf)
{
    size_t used = buf->len + WIPED_BEHIND;

    if (buf->ptr)
        OPENSSL_cleanse(buf->ptr, used < buf->size ? used : buf->size);
    buf_deinit(buf);
}
