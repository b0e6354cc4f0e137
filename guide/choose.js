// The first page leads to the reader's language: English unless it is French.

const french = navigator.language.startsWith("fr");
location.replace((french ? "fr" : "en") + "/00-index.html");
// What follows the # in the address that `deno task web` prints is for run.js.
if (location.hash) sessionStorage.setItem("token", location.hash.slice(1));
