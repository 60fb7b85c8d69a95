#include "shared/tools/open_secrets.h"

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/secrets/envelope.h"
#include "shared/store/secrets/secrets.h"

static const struct sealed_secret *find(const struct sealed_list *list, struct text name)
{
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

/* As it is stored, into what can be opened. NULL: it can't be. */
static struct envelope *envelope_of(const struct sealed_secret *sealed)
{
    struct envelope *envelope;

    if (sealed->wrapped.len != WRAPPED_BYTES || sealed->key_id.len >= KEY_ID_SIZE ||
        sealed->sealed.len > sizeof(envelope->sealed))
        return NULL;
    envelope = xcalloc(1, sizeof(*envelope));
    memcpy(envelope->key_id, sealed->key_id.ptr, sealed->key_id.len);
    memcpy(envelope->wrapped, sealed->wrapped.ptr, WRAPPED_BYTES);
    memcpy(envelope->sealed, sealed->sealed.ptr, sealed->sealed.len);
    envelope->sealed_bytes = sealed->sealed.len;
    return envelope;
}

static int open_one(const struct open_secrets_options *options, struct text name,
                    const struct sealed_secret *sealed, struct open_secrets *out, struct error *err)
{
    const struct secret_place place = {options->tenant, name};
    CLEANUP(freep) struct envelope *envelope = sealed ? envelope_of(sealed) : NULL;
    struct buf *value = &out->values[out->count];
    int r;

    if (!sealed)
        return error_set(err, E_NOT_FOUND, "the secret %.*s, which it needs, is not there",
                         TEXT_ARGS(name));
    if (!envelope)
        return error_set(err, E_CONTENT, "the secret %.*s is not as it was sealed",
                         TEXT_ARGS(name));
    secret_buf_init(value, envelope->sealed_bytes);
    r = envelope_open(options->ring, &place, envelope, value, err);
    out->items[out->count++] = (struct known_secret){name, buf_text(value)};
    return r;
}

int open_secrets_read(const struct open_secrets_options *options, const struct text *names,
                      size_t count, struct open_secrets *out, struct error *err)
{
    struct sealed_list list;
    struct arena arena;
    struct store store = {.pg = options->pg, .tenant = options->tenant, .arena = &arena};
    int r;

    *out = (struct open_secrets){.count = 0};
    if (count == 0)
        return 0;
    ASSERT(count <= HTTP_TOOL_SECRETS_MAX);
    arena_init(&arena, 0);
    r = secrets_use(&store, names, count, &list, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = open_one(options, names[i], find(&list, names[i]), out, err);
    arena_deinit(&arena);
    return r;
}

void open_secrets_wipe(struct open_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++)
        secret_buf_wipe(&secrets->values[i]);
    secrets->count = 0;
}
