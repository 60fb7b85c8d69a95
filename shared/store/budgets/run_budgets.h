#pragma once
/* Inside the store: the budgets that a run counts on, found when it is made. */

/* clang-format off */
/* What runs.budgets is to be: the ids of the budgets of the tenant, the agent, the user and the
 * thread (uuids but for the user; each may be NULL). A tenant without any budget costs one probe of
 * an index. The conditions can only serve as such probes. */
#define SQL_RUN_BUDGETS(tenant, agent, user, thread) \
    "CASE WHEN EXISTS (" \
    "    SELECT 1" \
    "    FROM budgets any_budget" \
    "    WHERE any_budget.tenant_id = " tenant ") THEN (" \
    "    SELECT array_agg(its_budget.id)" \
    "    FROM (VALUES ('tenant', ''), ('agent', " agent "::text), ('user', " user ")," \
    "        ('thread', " thread "::text)) AS w (kind, subject)" \
    "    JOIN budgets its_budget ON its_budget.tenant_id = " tenant \
    "      AND its_budget.kind = ANY (ARRAY[w.kind])" \
    "      AND its_budget.subject = ANY (ARRAY[w.subject])) END"
/* clang-format on */
