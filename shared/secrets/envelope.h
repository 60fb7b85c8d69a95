#pragma once
/* A secret as it is stored: sealed under a key of its own, which is sealed under the master key.
 *
 *   sealed   = nonce (12) | AES-256-GCM of the value under the data key | tag (16)
 *   wrapped  = nonce (12) | AES-256-GCM of the data key under the master key | tag (16)
 *
 * Both are bound to the tenant and the name (additional authenticated data), so that what is copied
 * to another row opens nowhere. A new value has a new data key; a new master key costs 60 bytes a
 * secret, and values are not touched. Pure, but for random bytes.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/secrets/key_ring.h"

struct error;

#define SECRET_BYTES_MIN 8 /* what is shorter could not be told from ordinary words in a reply */
#define SECRET_BYTES_MAX 16384
#define SEAL_BYTES       28 /* nonce and tag */
#define WRAPPED_BYTES    (MASTER_KEY_BYTES + SEAL_BYTES)

/* Whose it is, and what it is called. */
struct secret_place {
    struct uuid tenant;
    struct text name;
};

struct envelope {
    char key_id[KEY_ID_SIZE];
    uint8_t wrapped[WRAPPED_BYTES];
    size_t sealed_bytes;
    uint8_t sealed[SECRET_BYTES_MAX + SEAL_BYTES];
};

/* Returns 0 with *out, -E_DENIED (there is no master key) or -E_INVALID (too short or too long). */
MUSTCHECK int envelope_seal(struct key_ring *ring, const struct secret_place *place,
                            struct text value, struct envelope *out, struct error *err);

/* Appends the value to `out`, of which secret_buf_wipe leaves nothing. Returns 0; -E_NOT_FOUND:
 * sealed under a master key that is not here; -E_CONTENT: it is not as it was sealed, or not for
 * this place. */
MUSTCHECK int envelope_open(struct key_ring *ring, const struct secret_place *place,
                            const struct envelope *envelope, struct buf *out, struct error *err);

/* Wraps its data key under the present master key; key_id and wrapped change. Returns as
 * envelope_open, or -E_DENIED. */
MUSTCHECK int envelope_rewrap(struct key_ring *ring, const struct secret_place *place,
                              struct envelope *envelope, struct error *err);

/* For bufs that hold secrets: room at once, so that growing leaves no copies behind; and nothing is
 * left when it is over. */
void secret_buf_init(struct buf *buf, size_t bytes);
void secret_buf_wipe(struct buf *buf);
