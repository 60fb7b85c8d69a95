/* Making the agent, apart and without flow.h: shared/store and worker/ each have a `struct agent`,
 * and they are not the same. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/store/agents.h"

SUSPENDS struct uuid flow_make_agent(const struct store *store)
{
    struct agent_draft draft = {.id = uuid_new(), .spec = TEXT("{}")};
    struct agent agent;
    struct error err = {0};

    cr_assert_eq(agents_create(store, &draft, &agent, &err), 0, "%s", err.text);
    return draft.id;
}
