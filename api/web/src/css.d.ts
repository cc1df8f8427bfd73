// SPDX-License-Identifier: GPL-3.0-or-later
// Style sheets are imported for the bundler, which puts them into app.css.
declare module '*.css';
