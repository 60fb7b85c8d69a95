/* Finding agents: all that there are are looked at, once. */

#include "scheduler/cli/agents/find_agent.h"

#include <stdio.h>
#include <stdlib.h>

#include "scheduler/cli/options.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"

struct agent_search {
    const char *name;
    char *id;
    bool has_slug;   /* the one of that id: no name counts any more */
    char *near;      /* the slug or name that is nearest to what was said; NULL: none is near */
    char names[240]; /* of agents that there are, for the message */
    bool more;       /* there are others */
};

static void keep_near(struct agent_search *search, const char *word)
{
    const char *words[2] = {word, search->near};
    const char *near = word ? suggest(search->name, words, search->near ? 2 : 1) : NULL;

    if (near != word || !near)
        return;
    free(search->near);
    search->near = xstrdup(word);
}

static void keep_name(struct agent_search *search, const char *name)
{
    size_t used = strlen(search->names);

    search->more = search->more || used + strlen(name) + 3 >= sizeof(search->names);
    if (!search->more)
        (void)snprintf(search->names + used, sizeof(search->names) - used, "%s%s", used ? ", " : "",
                       name);
}

static int match_agent(void *arg, struct json_object *agent, struct error *err)
{
    struct agent_search *search = arg;
    const char *name = json_get_string(agent, "name");
    const char *slug = json_get_string(agent, "slug");
    const char *id = json_get_string(agent, "id");

    if (!id)
        return 0;
    if (slug && strcmp(slug, search->name) == 0) {
        search->has_slug = true;
        free(search->id);
        search->id = xstrdup(id);
    }
    if (search->has_slug)
        return 0;
    keep_near(search, slug);
    keep_near(search, name);
    if (!name || strcmp(name, search->name) != 0) {
        if (name || slug)
            keep_name(search, name ? name : slug);
        return 0;
    }
    if (search->id)
        return error_set(err, E_CONFLICT,
                         "two agents have the name \"%.60s\": %s and %s; use one of these ids",
                         name, search->id, id);
    search->id = xstrdup(id);
    return 0;
}

static int missing(const struct agent_search *search, struct error *err)
{
    if (search->near)
        return error_set(err, E_NOT_FOUND,
                         "there is no agent with the name \"%.60s\"; did you mean \"%.60s\"?",
                         search->name, search->near);
    if (*search->names)
        return error_set(err, E_NOT_FOUND,
                         "there is no agent with the name \"%.60s\"; there are: %s%s", search->name,
                         search->names, search->more ? ", \xE2\x80\xA6" : "");
    return error_set(err, E_NOT_FOUND,
                     "there is no agent with the name \"%.60s\"; create it with `penstock apply`",
                     search->name);
}

int find_agent(struct client *client, const char *agent, char **out_id, struct error *err)
{
    struct agent_search search = {.name = agent};
    const struct client_walk walk = {"/v1/assistants?order=asc", 100000, match_agent, &search};
    struct uuid id;
    int r;

    if (id_parse(ID_ASSISTANT, text_of(agent), &id)) {
        *out_id = xstrdup(agent);
        return 0;
    }
    r = client_walk(client, &walk, err);
    if (r == 0 && !search.id)
        r = missing(&search, err);
    free(search.near);
    if (r < 0)
        free(search.id);
    else
        *out_id = search.id;
    return r;
}

int find_agent_if(struct client *client, const char *agent, char **out_id, struct error *err)
{
    *out_id = NULL;
    return agent ? find_agent(client, agent, out_id, err) : 0;
}
