/* A tenant has few webhooks, so all of them are looked at. A name goes before a URL, and neither
 * has to be the only one of its kind. */

#include "scheduler/cli/webhooks/find_webhook.h"

#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

static bool is_named(struct json_object *webhook, struct text word)
{
    return text_equal(json_get_text(webhook, "name"), word);
}

static bool is_at(struct json_object *webhook, struct text word)
{
    struct text url = json_get_text(webhook, "url");

    return word.len > 0 && url.len >= word.len &&
           text_equal((struct text){url.ptr, word.len}, word);
}

/* The one that fits; NULL: none, or *out_count of them. */
static struct json_object *find(struct json_object *list,
                                bool (*fits)(struct json_object *webhook, struct text word),
                                struct text word, size_t *out_count)
{
    size_t count = list ? json_object_array_length(list) : 0;
    struct json_object *found = NULL;

    *out_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *webhook = json_object_array_get_idx(list, i);

        if (!fits(webhook, word))
            continue;
        found = webhook;
        ++*out_count;
    }
    return *out_count == 1 ? found : NULL;
}

static int pick(struct json_object *list, const char *word, char **out, struct error *err)
{
    size_t count;
    struct json_object *found = find(list, is_named, text_of(word), &count);

    if (count == 0)
        found = find(list, is_at, text_of(word), &count);
    if (count > 1)
        return error_set(err, E_INVALID,
                         "\"%.60s\" may be %zu webhooks: name one by its id (penstock webhooks "
                         "list)",
                         word, count);
    if (!found)
        return error_set(err, E_NOT_FOUND,
                         "there is no webhook of the id or the name \"%.60s\", nor one whose URL "
                         "begins so",
                         word);
    *out = xstrdup(json_get_string(found, "id"));
    return 0;
}

int find_webhook(struct client *client, const char *word, char **out, struct error *err)
{
    struct client_reply reply = {0};
    struct uuid id;
    int r;

    if (id_parse(ID_WEBHOOK, text_of(word), &id)) {
        *out = xstrdup(word);
        return 0;
    }
    r = client_get(client, "/v1/webhooks?limit=100", &reply, err);
    if (r < 0)
        return r;
    r = pick(json_get(reply.json, "data"), word, out, err);
    client_reply_deinit(&reply);
    return r;
}
