#pragma once
/* Files that a body names: messages and items (content of the type image_file or input_image),
 * their attachments, and tool_resources of assistants and threads. */

#include "scheduler/api/request.h"

/* Whether all of them are there, and those of contents of a purpose that models are shown. Asks
 * nothing where the body names none. Returns 0, or -E_INVALID with the failure. */
SUSPENDS MUSTCHECK int message_files_check(struct request *request);

/* The same for a body that no request has; `text` is what it was read from. */
SUSPENDS MUSTCHECK int message_files_look(const struct store *store, struct text text,
                                          struct json_object *body, struct failure *failure);
