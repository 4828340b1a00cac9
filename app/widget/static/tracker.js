/* Morsel's website tracker: <script async src="https://.../tracker.js" data-key="mk_website_..."></script>
   Stores nothing on the device and sends nothing before morsel.consent(true); nothing at all under Global Privacy Control. */
(function (win, doc) {
  "use strict";
  var script = doc.currentScript, early = win.morsel;
  if (!script || (early && early.track)) return;
  var nav = win.navigator, key = script.getAttribute("data-key"), base = new URL(script.src).origin;
  var memoryOnly = script.getAttribute("data-mode") === "cookieless";
  var COOKIE = "morsel_id", QUEUE = "morsel_queue", MOST = 100, AT_ONCE = 50, LONGEST = 300;
  var never = nav.globalPrivacyControl === true || !key;
  var id = cookie(), granted = !never && (memoryOnly || !!id), queue = granted ? kept() : [], pause = 0, timer = null, sending = false;

  function random() {
    var bytes = win.crypto.getRandomValues(new Uint8Array(16)), text = "";
    for (var i = 0; i < 16; i++) text += (bytes[i] + 256).toString(16).slice(1);
    return text;
  }
  function cookie() {
    var found = new RegExp("(?:^|; )" + COOKIE + "=([0-9a-f]{32})").exec(doc.cookie);
    return found && found[1];
  }
  function setCookie(value, age) {
    doc.cookie = COOKIE + "=" + value + ";path=/;max-age=" + age + ";samesite=lax" + (win.location.protocol === "https:" ? ";secure" : "");
  }
  function kept() {
    try { return JSON.parse(win.localStorage.getItem(QUEUE)) || []; } catch (e) { return []; }
  }
  function keep() {
    if (memoryOnly || !granted) return;
    try {
      if (queue.length) win.localStorage.setItem(QUEUE, JSON.stringify(queue));
      else win.localStorage.removeItem(QUEUE);
    } catch (e) { /* storage is full or forbidden: the queue lives in memory */ }
  }
  function cut(text) { return String(text == null ? "" : text).trim().slice(0, LONGEST); }
  /* Of an address only what marketing needs: other parameters may hold names, addresses or tokens. */
  function address(href) {
    try {
      var url = new URL(href, win.location.href), out = new URLSearchParams();
      url.searchParams.forEach(function (value, name) { if (/^utm_/.test(name)) out.append(name, value); });
      return cut(url.origin + url.pathname + (out.toString() ? "?" + out : ""));
    } catch (e) { return ""; }
  }

  function add(type, name, properties) {
    if (never) return;
    queue.push({
      type: type, event: name, messageId: random(), timestamp: new Date().toISOString(), properties: properties || {},
      context: { page: { url: address(win.location.href), referrer: address(doc.referrer), title: cut(doc.title) }, locale: nav.language }
    });
    if (queue.length > MOST) queue.shift();
    keep();
    if (granted) later(50);
  }
  function later(wait) {
    if (timer === null) timer = win.setTimeout(function () { timer = null; send(false); }, wait);
  }
  function body(part) {
    if (!id) { id = random(); if (!memoryOnly) setCookie(id, 31536000); }
    return JSON.stringify({
      batch: part.map(function (one) { return Object.assign({ anonymousId: id }, one); }), sentAt: new Date().toISOString()
    });
  }
  function done(part) {
    queue = queue.filter(function (one) { return part.indexOf(one) < 0; });
    keep();
  }
  function send(leaving) {
    if (!granted || !queue.length || (sending && !leaving)) return;
    var part = queue.slice(0, AT_ONCE), url = base + "/v1/batch?key=" + encodeURIComponent(key), text = body(part);
    if (leaving) {
      /* kept until the next page has sent them too: the message ids make a second arrival harmless */
      if (nav.sendBeacon) nav.sendBeacon(url, new Blob([text], { type: "text/plain" }));
      return;
    }
    sending = true;
    win.fetch(url, { method: "POST", body: text, headers: { "Content-Type": "text/plain" }, credentials: "omit" }).then(function (answer) {
      sending = false;
      if (answer.status === 429 || answer.status >= 500) return again();
      pause = 0;
      done(part); /* stored, or refused for good */
      if (queue.length) later(0);
    }, function () { sending = false; again(); });
  }
  function again() {
    pause = Math.min(60000, (pause || 1000) * 2);
    later(pause);
  }

  function page() {
    add("page", "page", { path: win.location.pathname, title: cut(doc.title) });
    var query = new URLSearchParams(win.location.search), words = query.get("q") || query.get("query") || query.get("search") || query.get("s");
    if (words) add("track", "Products Searched", { query: cut(words) });
    var product = doc.querySelector("[data-morsel-product]"), step = doc.querySelector("[data-morsel-checkout]");
    var sku = product ? product.getAttribute("data-morsel-product") : linked();
    if (sku) add("track", "Product Viewed", { product_id: cut(sku) });
    if (step) add("track", "Checkout Step Viewed", { step: cut(step.getAttribute("data-morsel-checkout")) });
  }
  /* schema.org's product of this page, which shops have for search engines already */
  function linked() {
    var found = "";
    doc.querySelectorAll('script[type="application/ld+json"]').forEach(function (one) {
      try {
        [].concat(JSON.parse(one.textContent)).forEach(function (thing) {
          if (thing && thing["@type"] === "Product" && !found) found = thing.sku || thing.productID || "";
        });
      } catch (e) { /* somebody else's broken markup */ }
    });
    return found;
  }

  function clicked(event) {
    var target = event.target.closest && event.target.closest("[data-morsel-cart],[data-morsel-event],button,[role=button],input[type=submit]");
    if (!target) return;
    var cart = target.getAttribute("data-morsel-cart"), named = target.getAttribute("data-morsel-event");
    if (cart) add("track", "Product Added", { product_id: cut(cart), quantity: Number(target.getAttribute("data-morsel-quantity")) || 1 });
    else if (named) add("track", cut(named), target.getAttribute("data-morsel-item") ? { product_id: cut(target.getAttribute("data-morsel-item")) } : {});
    else add("track", "Button Clicked", { id: cut(target.id), text: cut(target.textContent || target.value).slice(0, 80) });
  }
  /* which form, never what was typed into it */
  function submitted(event) {
    var form = event.target;
    add("track", "Form Submitted", { id: cut(form.getAttribute("id")), name: cut(form.getAttribute("name")) });
  }
  /* GA4's e-commerce events: cart, each step of the checkout, order */
  function layered(one) {
    if (one && typeof one.event === "string" && one.ecommerce) add("track", cut(one.event), one.ecommerce);
  }
  function follow(layer) {
    var push = layer.push;
    layer.forEach(layered);
    layer.push = function () {
      for (var i = 0; i < arguments.length; i++) layered(arguments[i]);
      return push.apply(layer, arguments);
    };
  }
  function moved(name) {
    var old = win.history[name];
    win.history[name] = function () {
      var before = win.location.href, result = old.apply(win.history, arguments);
      if (win.location.href !== before) win.setTimeout(page, 0);
      return result;
    };
  }

  var morsel = win.morsel = {
    track: function (name, properties) { add("track", cut(name), properties); },
    page: page,
    /* the anonymous id, "" before there is one */
    id: function () { return granted && id || ""; },
    consent: function (given) {
      if (never) return;
      granted = !!given;
      if (granted) {
        if (!id) { id = random(); if (!memoryOnly) setCookie(id, 31536000); }
        queue = memoryOnly ? queue : kept().concat(queue);
        keep();
        later(0);
      } else {
        queue = [];
        id = null;
        setCookie("", 0);
        try { win.localStorage.removeItem(QUEUE); } catch (e) { /* forbidden: so nothing lies there */ }
      }
    },
    push: function (call) { if (call && morsel[call[0]]) morsel[call[0]].apply(null, [].slice.call(call, 1)); }
  };
  if (Array.isArray(early)) early.forEach(morsel.push);
  if (never) return;
  doc.addEventListener("click", clicked, true);
  doc.addEventListener("submit", submitted, true);
  win.addEventListener("pagehide", function () { send(true); });
  win.addEventListener("online", function () { pause = 0; send(false); });
  win.addEventListener("popstate", function () { win.setTimeout(page, 0); });
  moved("pushState");
  moved("replaceState");
  follow(win.dataLayer = win.dataLayer || []);
  if (doc.readyState === "loading") doc.addEventListener("DOMContentLoaded", page);
  else page();
})(window, document);
