/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What problem.c needs of mlflow.c. */
#ifndef HONE_API_MLFLOW_H
#define HONE_API_MLFLOW_H

struct request;
struct error;

/* MLflow's word for an error of a request to its REST; NULL: it is not one. */
const char *mlflow_error(const struct request *r, const struct error *error);

#endif
