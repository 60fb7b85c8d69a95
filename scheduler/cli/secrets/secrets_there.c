#include "scheduler/cli/secrets/secrets_there.h"

#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"

enum { LISTED_MAX = 1000 }; /* a tenant has no more */

static int forget(void *arg, struct json_object *secret, struct error *err)
{
    struct json_object *left = arg;

    (void)err;
    json_object_object_del(left, json_get_string(secret, "name"));
    return 0;
}

int secrets_note_missing(struct client *client, struct json_object *names, struct error *err)
{
    CLEANUP(json_freep) struct json_object *left = NULL;
    struct client_walk walk = {"/v1/secrets?order=asc", LISTED_MAX, forget, NULL};
    int r;

    if (json_object_object_length(names) == 0 ||
        json_object_deep_copy(names, &left, json_c_shallow_copy_default) < 0)
        return 0;
    walk.arg = left;
    r = client_walk(client, &walk, err);
    if (r < 0)
        return r == -E_CANCELED ? r : 0;
    json_object_object_foreach(left, name, nothing)
    {
        (void)nothing;
        terminal_complain("note: the secret %.64s has no value yet: penstock secrets set %.64s",
                          name, name);
    }
    return 0;
}
