/* Lists. */

#include "scheduler/cli/display/print_list.h"

#include <stdio.h>

#include "scheduler/cli/display/agent_names.h"
#include "scheduler/cli/output.h"
#include "shared/base/error.h"

struct printing {
    const struct print_list *list;
    struct agent_names names;
    bool headed;
};

static bool as_json(const struct printing *printing)
{
    return arguments_has(printing->list->args, "json");
}

static void print_head(struct printing *printing)
{
    if (!printing->headed && printing->list->head && !as_json(printing))
        printing->list->head();
    printing->headed = true;
}

static int print_row(struct printing *printing, struct json_object *item, struct error *err)
{
    const char *agent_id =
        printing->list->without_agents ? NULL : json_get_string(item, "assistant_id");
    struct text agent = TEXT("-");
    int r = agent_id ? agent_names_find(&printing->names, agent_id, &agent, err) : 0;

    if (r < 0)
        return r;
    print_head(printing);
    printing->list->row(item, agent);
    return 0;
}

static int print_item(void *arg, struct json_object *item, struct error *err)
{
    struct printing *printing = arg;
    int r = 0;

    if (as_json(printing))
        printf("%.*s\n", TEXT_ARGS(json_text(item)));
    else
        r = print_row(printing, item, err);
    return r < 0 ? r : output_check(err);
}

int print_list(struct client *client, const struct print_list *list, const char *path, size_t max,
               struct error *err)
{
    struct printing printing = {.list = list};
    const struct client_walk walk = {path, max, print_item, &printing};
    int r;

    agent_names_init(&printing.names, client);
    r = client_walk(client, &walk, err);
    if (r == 0)
        print_head(&printing);
    agent_names_deinit(&printing.names);
    return r;
}

int print_list_array(struct client *client, const struct print_list *list,
                     struct json_object *array, struct error *err)
{
    struct printing printing = {.list = list};
    size_t count =
        json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
    int r = 0;

    agent_names_init(&printing.names, client);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = print_item(&printing, json_object_array_get_idx(array, i), err);
    agent_names_deinit(&printing.names);
    return r;
}
