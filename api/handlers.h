/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The handlers that the tables of routes name. Each is in the file of its resource. */
#ifndef HONE_API_HANDLERS_H
#define HONE_API_HANDLERS_H

#include "inside.h"

#define READ(path, handler, access, flags) handler_fn handle_##handler;
#define CHANGE(method, path, handler, command, access, flags, members) handler_fn handle_##handler;
#include "routes.def"
#undef READ
#undef CHANGE
#define KATIB(method, path, handler, command, flags) handler_fn handle_##handler;
#include "routes_katib.def"
#undef KATIB

#endif
