#pragma once
/* Whether what an assistant is to have of the web can be had: better refused now than in each of
 * its runs. */

#include "shared/base/compiler.h"

struct request;

/* `request->body` may name web_search and read_page. Returns 0, or -E_INVALID with the failure: no
 * search engine is configured, or robots.txt is obeyed for all. */
MUSTCHECK int assistants_check_web(struct request *request);
