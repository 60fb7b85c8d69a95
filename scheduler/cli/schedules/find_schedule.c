#include "scheduler/cli/schedules/find_schedule.h"

#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

int find_schedule(struct client *client, const char *word, char **out, struct error *err)
{
    CLEANUP(freep) char *encoded = NULL;
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    struct json_object *data;
    struct uuid id;
    int r;

    if (id_parse(ID_SCHEDULE, text_of(word), &id)) {
        *out = xstrdup(word);
        return 0;
    }
    encoded = client_encode(word);
    path = xasprintf("/v1/schedules?limit=1&name=%s", encoded);
    r = client_get(client, path, &reply, err);
    if (r < 0)
        return r;
    data = json_get(reply.json, "data");
    if (data && json_object_array_length(data) > 0)
        *out = xstrdup(json_get_string(json_object_array_get_idx(data, 0), "id"));
    else
        r = error_set(err, E_NOT_FOUND, "there is no schedule \"%.60s\"", word);
    client_reply_deinit(&reply);
    return r;
}
