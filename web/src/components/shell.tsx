import {
  Button,
  Dropdown,
  DropdownItem,
  DropdownList,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadLogo,
  MastheadMain,
  MastheadToggle,
  MenuToggle,
  Nav,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
} from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useLocation, useNavigate } from 'react-router';
import BarsIcon from '@patternfly/react-icons/dist/esm/icons/bars-icon';
import { api, data, type Schemas } from '../api/client';
import { sessionQuery } from '../api/queries';
import { Preferences } from './preferences';
import { urlPath } from '../lib/paths';

const main = 'main-content';

/** Masthead, navigation and the page in them. */
export function Shell({ session, children }: { session?: Schemas['SessionInfo']; children: ReactNode }) {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const segment = /^\/clusters\/([^/]+)/.exec(pathname)?.[1];
  const cluster = segment && decodeURIComponent(segment);
  const sidebar = (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={t('nav.label')}>
          <NavList>
            <Item to="/clusters" exact label={t('nav.clusters')} />
            {cluster && (
              <>
                <Item to={urlPath`/clusters/${cluster}/nodes`} also={urlPath`/clusters/${cluster}/join`} label={t('nav.nodes')} />
                <Item to={urlPath`/clusters/${cluster}/pods`} label={t('nav.pods')} />
                <Item to={urlPath`/clusters/${cluster}/kubeedge`} label={t('nav.kubeedge')} />
              </>
            )}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
  return (
    <Page
      masthead={<Head session={session} />}
      sidebar={sidebar}
      isManagedSidebar
      mainContainerId={main}
      skipToContent={<SkipToContent href={`#${main}`}>{t('nav.skip')}</SkipToContent>}
    >
      {children}
    </Page>
  );
}

function Item({ to, label, exact, also }: { to: string; label: string; exact?: boolean; also?: string }) {
  const { pathname } = useLocation();
  const active = pathname === to || (!exact && pathname.startsWith(`${to}/`)) || (also !== undefined && pathname.startsWith(also));
  return (
    <NavItem isActive={active} itemId={to}>
      <Link to={to} aria-current={active ? 'page' : undefined}>
        {label}
      </Link>
    </NavItem>
  );
}

function Head({ session }: { session?: Schemas['SessionInfo'] }) {
  const { t } = useTranslation();
  return (
    <Masthead>
      <MastheadMain>
        <MastheadToggle>
          <PageToggleButton variant="plain" aria-label={t('nav.toggle')}>
            <BarsIcon />
          </PageToggleButton>
        </MastheadToggle>
        <MastheadBrand>
          <MastheadLogo className="ew-logo" component={(props) => <Link {...props} to="/clusters" />}>
            <strong>Edgeway</strong>
          </MastheadLogo>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <div className="ew-masthead-end">
          <Preferences />
          {session && <UserMenu session={session} />}
        </div>
      </MastheadContent>
    </Masthead>
  );
}

function UserMenu({ session }: { session: Schemas['SessionInfo'] }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const signOut = async () => {
    try {
      await data(api.DELETE('/api/v1/session'));
    } finally {
      queries.clear();
      await navigate('/sign-in');
      void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    }
  };
  return (
    <Dropdown
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: 'right' }}
      toggle={(ref) => (
        <MenuToggle ref={ref} variant="plainText" isExpanded={open} onClick={() => setOpen(!open)} aria-label={t('session.menu', { user: session.user })}>
          {session.user}
        </MenuToggle>
      )}
    >
      <DropdownList>
        <DropdownItem onClick={() => void signOut()}>{t('session.signOut')}</DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}

/** A link that looks like a button. */
export function LinkButton({ to, children, variant = 'primary', isDisabled }: { to: string; children: ReactNode; variant?: 'primary' | 'secondary' | 'link'; isDisabled?: boolean }) {
  return (
    <Button variant={variant} isAriaDisabled={isDisabled} component={(props) => <Link {...props} to={isDisabled ? '#' : to} />}>
      {children}
    </Button>
  );
}
