// The printed link carries its token in the fragment, which a browser sends to nobody. It is taken
// out of the address, and with it out of the history, before it is posted.
const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("by-link").hidden = false;
  document.getElementById("by-hand").hidden = true;
  const form = document.getElementById("link-form");
  form.elements.token.value = token;
  form.submit();
} else {
  const onward = document.getElementById("onward");
  if (onward) location.replace(onward.href);
}
