/* What `penstock doctor` thinks of secrets, control groups and calls of tools. */

#include "scheduler/cli/doctor/doctor_tools.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect(struct doctor_finding found, enum doctor_verdict verdict, const char *words)
{
    cr_assert_eq(found.verdict, verdict, "%s", found.text);
    cr_assert(strstr(found.text, words), "%s", found.text);
}

Test(doctor_tools, judges_the_master_key)
{
    struct doctor_secrets found = {.secrets = 0};

    expect(doctor_judge_secrets(&found), DOCTOR_OK, "they are refused");
    found.secrets = 3;
    expect(doctor_judge_secrets(&found), DOCTOR_FAIL, "PENSTOCK_MASTER_KEY_FILE");
    found.has_key = true;
    expect(doctor_judge_secrets(&found), DOCTOR_OK, "in the environment");
    strcpy(found.file, "/etc/penstock/master-key");
    expect(doctor_judge_secrets(&found), DOCTOR_OK, "3, and the master key opens them");
    found.is_open = true;
    found.mode = 0644;
    expect(doctor_judge_secrets(&found), DOCTOR_WARN, "chmod 600 /etc/penstock/master-key");
    expect(doctor_judge_secrets(&found), DOCTOR_WARN, "mode 644");
    found.lost = 2;
    expect(doctor_judge_secrets(&found), DOCTOR_FAIL, "2 of 3 are sealed");
    strcpy(found.problem, "the master key number 1 is none");
    expect(doctor_judge_secrets(&found), DOCTOR_FAIL, "number 1 is none");
}

Test(doctor_tools, judges_calls_whose_end_nobody_knows)
{
    struct doctor_tools found = {.declared = 5, .once = 2};

    expect(doctor_judge_tools(&found), DOCTOR_OK, "5 declared, calls of 2 may be made once");
    found.unknown = 4;
    strcpy(found.names, "ticket_create");
    expect(doctor_judge_tools(&found), DOCTOR_WARN, "4 calls");
    expect(doctor_judge_tools(&found), DOCTOR_WARN, "(ticket_create)");
}

Test(doctor_tools, looks_at_each_control_group)
{
    char bad[200];

    doctor_groups_look("", bad);
    expect(doctor_judge_groups("", bad), DOCTOR_OK, "none is named");
    doctor_groups_look("/tmp", bad);
    expect(doctor_judge_groups("/tmp", bad), DOCTOR_OK, "/tmp can be written");
    doctor_groups_look("/tmp, /no/such/group", bad);
    cr_assert_str_eq(bad, "/no/such/group");
    expect(doctor_judge_groups("/tmp, /no/such/group", bad), DOCTOR_WARN, "/no/such/group");
}
