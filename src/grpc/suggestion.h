/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katib's Suggestion and EarlyStopping services (api.v1.beta1) and gRPC's health service, so that a cluster that has Katib can use the algorithms of
 * Hone in place of its own. Nothing is kept between calls. docs/reference/katib.md says what is served. */
#ifndef HONE_GRPC_SUGGESTION_H
#define HONE_GRPC_SUGGESTION_H

#include "grpc/server.h"

extern const struct grpc_method katib_methods[];

#endif
