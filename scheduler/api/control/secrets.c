/* Secrets of a tenant: written, used and never shown. A value comes in, is sealed at once, and its
 * copies here are wiped; nothing of it is in a reply, in an error, in a log or beside an
 * idempotency key, which is why these endpoints heed none. */

#include "shared/store/secrets/secrets.h"

#include <openssl/crypto.h>

#include "scheduler/api/control/resources.h"
#include "scheduler/api/listing.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/json/json_write.h"
#include "shared/secrets/envelope.h"
#include "shared/secrets/reference.h"

static int check_name(struct json_object *value, const struct path *path, struct failure *failure)
{
    if (secret_name_fits(json_string(value)))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'name': a secret's name matches ^[A-Za-z_][A-Za-z0-9_]{0,63}$.");
}

/* The lengths are in bytes, and a failure of the table would be about characters. */
static int check_value(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text text = json_string(value);

    if (!json_object_is_type(value, json_type_string))
        return failure_set(failure, 400, path, "invalid_type",
                           "Invalid type for 'value': expected a string.");
    if (text.len >= SECRET_BYTES_MIN && text.len <= SECRET_BYTES_MAX)
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'value': expected %d to %d bytes, got %zu. What is shorter could "
                       "not be told from ordinary words, and so not be kept out of what a server "
                       "says.",
                       SECRET_BYTES_MIN, SECRET_BYTES_MAX, text.len);
}

static const struct field post_secret[] = {
    {"name", FIELD_STRING, FIELD_REQUIRED, 0, 0, NULL, check_name},
    {"value", FIELD_ANY, FIELD_REQUIRED, 0, 0, NULL, check_value},
};
static const struct fields body_post_secret = {post_secret, ARRAY_LENGTH(post_secret),
                                               sizeof(post_secret[0]), NULL, 0};

static const struct field put_secret[] = {
    {"value", FIELD_ANY, FIELD_REQUIRED, 0, 0, NULL, check_value},
};
static const struct fields body_put_secret = {put_secret, ARRAY_LENGTH(put_secret),
                                              sizeof(put_secret[0]), NULL, 0};

static void write_time(struct json_write *w, const char *name, int64_t time)
{
    if (time > 0)
        json_write_int(w, name, time);
    else
        json_write_null(w, name);
}

static void render(struct request *request, const struct secret *secret)
{
    struct json_write w;
    char id[ID_TEXT_SIZE];

    id_format(ID_SECRET, secret->id, id);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", id);
    json_write_string(&w, "object", "secret");
    json_write_text(&w, "name", secret->name);
    json_write_int(&w, "version", secret->version);
    json_write_text(&w, "master_key_id", secret->key_id);
    json_write_int(&w, "created_at", secret->created_at);
    json_write_int(&w, "updated_at", secret->updated_at);
    write_time(&w, "last_used_at", secret->last_used_at);
    json_write_close(&w);
}

static int missing(struct request *request)
{
    return request_missing(request, "secret", request->exchange->params[0]);
}

/* Of what the request brought: in the body as it came, and as it was parsed. */
static void wipe(struct request *request)
{
    struct text value = json_string(json_get(request->body, "value"));

    if (value.ptr)
        OPENSSL_cleanse((char *)value.ptr, value.len);
    if (request->exchange->body.len > 0)
        OPENSSL_cleanse((char *)request->exchange->body.ptr, request->exchange->body.len);
}

static int not_sealed(struct request *request, const struct error *err)
{
    if (err->code != E_DENIED)
        return request_failed(request, err);
    (void)failure_param(&request->failure, 503, NULL, "secrets_unavailable",
                        "Secrets are not taken here: %s.", err->text);
    request->failure.retry = RETRY_NO;
    return -E_INVALID;
}

typedef int (*write_fn)(const struct store *store, struct uuid id,
                        const struct sealed_secret *sealed, struct secret *out, struct error *err);

static int seal_and_write(struct request *request, struct text name, write_fn write,
                          struct secret *out)
{
    CLEANUP(freep) struct envelope *envelope = xmalloc(sizeof(*envelope));
    const struct secret_place place = {request->store.tenant, name};
    struct text value = json_string(json_get(request->body, "value"));
    struct sealed_secret sealed;
    struct error err;
    int r = envelope_seal(request->api->master_keys, &place, value, envelope, &err);

    wipe(request);
    if (r < 0)
        return not_sealed(request, &err);
    sealed = (struct sealed_secret){
        name,
        text_of(envelope->key_id),
        {(const char *)envelope->wrapped, WRAPPED_BYTES},
        {(const char *)envelope->sealed, envelope->sealed_bytes},
    };
    r = write(&request->store, uuid_new(), &sealed, out, &err);
    if (r == SECRETS_FULL)
        return failure_param(&request->failure, 400, NULL, "too_many_secrets",
                             "There are %d secrets, and a tenant has no more: delete some.",
                             SECRETS_MAX);
    if (r == -E_CONFLICT) {
        (void)failure_param(&request->failure, 409, "name", "secret_exists",
                            "There is a secret '%.*s' already. PUT /v1/secrets/%.*s gives it "
                            "another value.",
                            TEXT_ARGS(name), TEXT_ARGS(name));
        request->failure.retry = RETRY_NO;
        return -E_INVALID;
    }
    return r < 0 ? request_failed(request, &err) : 0;
}

static int secret_post(struct request *request)
{
    struct secret secret;
    int r = seal_and_write(request, json_get_text(request->body, "name"), secrets_create, &secret);

    if (r == 0)
        render(request, &secret);
    return r;
}

static int secret_put(struct request *request)
{
    static const struct path path = {NULL, "name", 0};
    struct text name = request->exchange->params[0];
    CLEANUP(json_freep)
    struct json_object *said = json_object_new_string_len(name.ptr, (int)name.len);
    struct secret secret;
    int r = check_name(said, &path, &request->failure);

    if (r == 0)
        r = seal_and_write(request, name, secrets_put, &secret);
    if (r == 0)
        render(request, &secret);
    return r;
}

static int secret_get(struct request *request)
{
    struct secret secret;
    struct error err;
    int r = secrets_get(&request->store, request->exchange->params[0], &secret, &err);

    if (r == SECRET_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    render(request, &secret);
    return 0;
}

static int secret_delete(struct request *request)
{
    struct uuid id;
    struct error err;
    int r = secrets_delete(&request->store, request->exchange->params[0], &id, &err);

    if (r == SECRET_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_SECRET, id, "secret.deleted");
    return 0;
}

static int secret_list(struct request *request)
{
    struct secret_list secrets;
    struct listing list;
    struct error err;
    int r = listing_begin(&list, request, ID_SECRET);

    if (r < 0)
        return r;
    r = secrets_list(&request->store, &list.page, &secrets, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < secrets.count; i++) {
        listing_add(&list, secrets.items[i].id);
        render(request, &secrets.items[i]);
    }
    listing_end(&list, secrets.has_more);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/secrets", .handle = secret_list,
     .query = listing_query},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/secrets", .handle = secret_post,
     .takes = TAKES_JSON, .body = &body_post_secret},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/secrets/{name}", .handle = secret_get},
    {.method = HTTP_METHOD_PUT, .pattern = "/v1/secrets/{name}", .handle = secret_put,
     .takes = TAKES_JSON, .body = &body_put_secret},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/secrets/{name}", .handle = secret_delete},
};
/* clang-format on */

const struct endpoint_table secret_endpoints = ENDPOINT_TABLE(table);
