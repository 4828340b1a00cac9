"""Which of our fields a column is likely to hold, by what shops of many languages call it. Pure."""

import unicodedata

# Squeezed: without accents, case and signs. Of two columns for one field the one whose name stands first here is taken.
_ITEMS = {
    "id": "id itemid productid sku productsku articlenumber article artikelnummer artikelnr artnr artikelid stockcode code offerid "
    "productcode varenummer varenr artikkelnummer referencia reference ref codigo codice codicearticolo idproduit kod indeks "
    "variantsku itemnumber partnumber",
    "title": "title name productname productname producttitle itemname titel bezeichnung artikelbezeichnung artikelname produktname "
    "produktbezeichnung nom nomproduit designation libelle nombre titulo nome nomeprodotto titolo naam navn namn nazwa nazev "
    "productnaam",
    "description": "description desc longdescription productdescription shortdescription beschreibung langtext "
    "kurzbeschreibung descripcion "
    "descrizione omschrijving beskrivelse beskrivning opis popis bodyhtml",
    "category": "category producttype googleproductcategory categories categorypath kategorie kategorien warengruppe produktgruppe rubrik "
    "categoria categorie rayon famille kategori kategoria productcategory department",
    "brand": "brand manufacturer vendor make marke hersteller marca marque merk fabricante produttore fabrikant maerke varumarke marka "
    "znacka",
    "price": "price regularprice listprice unitprice retailprice preis bruttopreis vk vkpreis verkaufspreis verkaufspreisbrutto prix "
    "prixttc precio prezzo prijs pris cena amount msrp uvp",
    "sale_price": "saleprice specialprice offerprice discountprice salesprice angebotspreis aktionspreis sonderpreis "
    "rabattpreis prixpromo "
    "prixsolde preciooferta prezzoscontato aanbiedingsprijs tilbudspris reapris cenapromocyjna",
    "currency": "currency currencycode waehrung wahrung devise moneda valuta moneta waluta mena",
    "availability": "availability stock stockquantity quantity qty inventory instock stockstatus bestand lagerbestand lager menge "
    "verfugbarkeit verfuegbarkeit lieferbar disponibilite disponibilidad disponibilita existencias giacenza voorraad "
    "beschikbaarheid lagersaldo magazyn stan sklad",
    "link": "link url producturl productlink deeplink permalink pageurl produkturl produktlink artikellink lien enlace liga",
    "image_link": "imagelink image imageurl img picture pictureurl photo mainimage thumbnail imagesrc bild bildurl bildlink produktbild "
    "hauptbild foto urlimage lienimage imagen urlimagen immagine afbeelding billede bildlank zdjecie obrazek",
    "item_group_id": "itemgroupid groupid parentid parentsku mastersku parent masterid elternartikel vaterartikel "
    "hauptartikel modelid styleid",
    "expiration_date": "expirationdate expires validuntil enddate gultigbis gueltigbis",
    "sale_price_effective_date": "salepriceeffectivedate",
    "kind": "kind itemkind",
}
_EVENTS = {
    "user_id": "userid customerid customer memberid accountid clientid uid user visitorid kundennummer kundennr kundenid kunde idclient "
    "idcliente cliente klantnummer kundenummer shopperid contactid personid",
    "anonymous_id": "anonymousid anonid cookieid deviceid sessionid clientidga userpseudoid browserid visitor",
    "email": "email emailaddress mail customeremail useremail emailadresse courriel correo",
    "item_id": "itemid productid sku stockcode articleid article artikelnummer artikelnr artnr productsku productcode variantid asin "
    "parentasin movieid code itemsid idproduit product item",
    "occurred_at": "occurredat timestamp time datetime date eventtime eventdate eventtimestamp createdat orderdate "
    "invoicedate purchasedate "
    "orderedat datum zeitpunkt zeit bestelldatum kaufdatum dateheure fecha data originaltimestamp ts",
    "kind": "kind event eventname eventtype type action interaction behaviour behavior aktion ereignis typ",
    "name": "name eventlabel",
    "quantity": "quantity qty count units pieces menge anzahl quantite cantidad quantita rating score stars bewertung",
    "price": "price unitprice itemprice preis einzelpreis prix precio prezzo saleprice",
    "line_total": "linetotal lineamount totalprice amount subtotal revenue betrag umsatz zeilensumme total",
    "order_id": "orderid invoice invoiceno invoicenumber transactionid basketid bestellnummer rechnungsnummer bestellnr auftragsnummer "
    "numerocommande pedido ordernumber",
    "country": "country countrycode land pays pais paese shippingcountry",
    "message_id": "messageid eventid uuid",
}
_TABLES = {what: {field: names.split() for field, names in table.items()} for what, table in (("items", _ITEMS), ("events", _EVENTS))}


def squeezed(name: str) -> str:
    """Return letters and digits of a name without accents and case; `g:Image Link` is `imagelink`."""
    plain = unicodedata.normalize("NFKD", name.strip().removeprefix("g:"))
    return "".join(char for char in plain if char.isalnum()).casefold()


def fields_of(what: str, columns: list[str]) -> dict[str, str]:
    """Return the field of each column that likely holds one; no field twice."""
    known = {squeezed(name.rpartition(".")[2]): name for name in reversed(columns)} | {squeezed(name): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for field, names in _TABLES[what].items():
        column = next((known[name] for name in names if name in known and known[name] not in found), "")
        if column:
            found[column] = field
    if "line_total" in found.values() and "price" in found.values():
        # one of them says what was paid
        found = {column: field for column, field in found.items() if field != "line_total"}
    return found
