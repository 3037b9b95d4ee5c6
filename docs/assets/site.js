// Tables that scroll can be reached from the keyboard, and the search says what it is.
document.querySelector(".md-search").setAttribute("aria-label", "Search");
const reach = () =>
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((one, number) => {
    one.tabIndex = 0;
    one.setAttribute("role", "region");
    one.setAttribute("aria-label", `Table ${number + 1}`);
  });
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
reach();
